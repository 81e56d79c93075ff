"""Several tabs of the page that show one session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.support.web_page import WebPage, answer, call, outcome
from tests.support.web_pages import web_pages

if TYPE_CHECKING:
    from tests.support.mesh_process import MeshProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_two_tabs_show_the_same_run_as_it_happens(mesh: MeshProcess, web: WebPage) -> None:
    async with web_pages() as pages:
        gated = pages.add("/gated", "<h1>The gate is open</h1>", gated=True)
        await web.open(mesh.url)
        here = await web.send(f"Open {gated}")
        await pages.visited("/gated")
        other = WebPage(await web.page.context.new_page())
        await other.open(web.page.url)
        there = other.run(f"Open {gated}")
        name = f"browser.open {gated.removeprefix('http://')}"
        for run in (here, there):
            await expect(call(run, f"{name}, running")).to_be_visible()
        pages.gates["/gated"].set()
        for run in (here, there):
            await expect(call(run, f"{name}, succeeded")).to_be_visible()
            await expect(outcome(run)).to_contain_text("1 tool call")
    assert await answer(here).inner_text() == await answer(there).inner_text() != ""
    assert other.complaints == []


async def test_a_run_is_stopped_from_another_tab(mesh: MeshProcess, web: WebPage) -> None:
    async with web_pages() as pages:
        gated = pages.add("/gated", "never seen", gated=True)
        await web.open(mesh.url)
        here = await web.send(f"Open {gated}")
        await pages.visited("/gated")
        other = WebPage(await web.page.context.new_page())
        await other.open(web.page.url)
        await other.stop.click()
        for run in (here, other.run(f"Open {gated}")):
            await expect(outcome(run)).to_contain_text("Stopped")
    await expect(web.stop).to_have_count(0)
