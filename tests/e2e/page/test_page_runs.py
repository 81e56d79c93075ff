"""Runs on the page that do not go straight on: reloads, lost connections, stops, failures."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from meshwright.client import Mesh as Client
from tests.model_script import Call, Fail, Hang, Say, in_order, in_turn
from tests.model_server import ModelServer
from tests.support.tcp_proxy import tcp_proxy
from tests.support.web_page import WebPage, answer, outcome
from tests.support.web_pages import web_pages

if TYPE_CHECKING:
    from playwright.async_api import Locator

    from tests.support.mesh_process import MeshProcess

# One Chromium for all tests of this file, and so one event loop.
pytestmark = pytest.mark.asyncio(loop_scope="module")
WATCH = "**/meshwright.v1.AgentService/WatchSession"


async def scripted_session(mesh: MeshProcess) -> str:
    """The address of a session whose model is the test's."""
    async with Client(mesh.address) as client:
        session = await client.create_session(model="openai:scripted")
    return f"{mesh.url}/sessions/{session.session_id}"


async def count_of(word: str, place: Locator) -> int:
    return (await place.inner_text()).count(word)


async def test_a_reload_in_the_middle_of_a_run_loses_nothing(mesh: MeshProcess, web: WebPage, model_port: int) -> None:
    async with web_pages() as pages:
        gated = pages.add("/gated", "The gate is open", gated=True)
        script = in_turn([Say("word " * 50), Call("browser.open", {"url": gated})], Say("word " * 50 + "end"))
        async with ModelServer(script, model_port):
            await web.open(await scripted_session(mesh))
            run = await web.send("Say a hundred words")
            remark = run.get_by_role("group", name="Remark")
            await pages.visited("/gated")
            await expect(remark).to_be_visible()
            for _ in range(2):
                await web.page.reload()
                await expect(web.stop).to_be_visible()
                await expect(run.get_by_role("button", name=re.compile("^browser.open .*, running$"))).to_be_visible()
                assert await count_of("word", remark) == 50
            pages.gates["/gated"].set()
            await expect(answer(run)).to_contain_text("end")
            await expect(outcome(run)).to_contain_text("1 tool call")
            assert await count_of("word", answer(run)) == await count_of("word", remark) == 50
    assert await web.page.get_by_role("article").count() == 1


async def test_a_lost_connection_is_told_and_comes_back_with_everything_that_happened(
    mesh: MeshProcess, web: WebPage
) -> None:
    async with tcp_proxy(mesh.address) as network, web_pages() as pages:
        gated = pages.add("/gated", "", title="The gate is open", gated=True)
        await web.open(f"http://{network.address}")
        run = await web.send(f"Open {gated}")
        await expect(run.get_by_role("button", name=re.compile("^browser.open .*, running$"))).to_be_visible()
        await web.page.route(WATCH, lambda route: route.abort("connectionrefused"))
        network.cut()
        await expect(web.page.get_by_text("Reconnecting")).to_be_visible()
        pages.gates["/gated"].set()
        await web.page.unroute(WATCH)
        await expect(answer(run)).to_contain_text("The gate is open")
        await expect(web.page.get_by_text("Reconnecting")).to_have_count(0)
        await expect(outcome(run)).to_contain_text("1 tool call")


async def test_stop_ends_the_run_and_what_waits_goes_on(mesh: MeshProcess, web: WebPage, model_port: int) -> None:
    script = in_order([Say("Well, "), Hang()], Say("Done: then this"))
    async with ModelServer(script, model_port) as model:
        await web.open(await scripted_session(mesh))
        run = await web.send("Think")
        await expect(answer(run)).to_contain_text("Well,")
        waiting = await web.send("Then this")
        await expect(waiting).to_contain_text("Waits for its turn")
        await web.stop.click()
        await expect(outcome(run)).to_contain_text("Stopped")
        await expect(answer(waiting)).to_contain_text("Done: then this")
        await model.wait_abandoned()


async def test_a_task_that_waits_can_be_taken_back(mesh: MeshProcess, web: WebPage, model_port: int) -> None:
    async with ModelServer([Say("Well, "), Hang()], model_port):
        await web.open(await scripted_session(mesh))
        first = await web.send("Think")
        waiting = await web.send("Not this")
        await waiting.get_by_role("button", name="Remove the waiting task: Not this").click()
        await expect(outcome(waiting)).to_contain_text("Stopped")
        await web.stop.click()
        await expect(outcome(first)).to_contain_text("Stopped")


@pytest.mark.parametrize(
    ("failure", "advice"),
    [
        (Fail(401), "Check the API key"),
        (Fail(404, code="model_not_found"), "MESHWRIGHT_MODEL"),
        (Fail(429), "Wait a little"),
        (Fail(503), "in a moment"),
    ],
    ids=["wrong key", "unknown model", "rate limit", "down"],
)
async def test_a_model_that_fails_is_told_in_words_with_what_to_do(
    mesh: MeshProcess, web: WebPage, model_port: int, failure: Fail, advice: str
) -> None:
    async with ModelServer(failure, model_port):
        await web.open(await scripted_session(mesh))
        run = await web.send("Hello")
        await expect(outcome(run)).to_contain_text("Failed")
    await expect(outcome(run)).to_contain_text(advice)
    await expect(outcome(run).get_by_text("MODEL_")).not_to_be_visible()
    await outcome(run).get_by_text("Details").click()
    await expect(outcome(run).get_by_text("MODEL_")).to_be_visible()


async def test_what_the_model_writes_is_shown_as_text_and_never_as_a_page(
    mesh: MeshProcess, web: WebPage, model_port: int
) -> None:
    text = (
        'Hello <img src=x onerror="document.title=1"> <script>document.title=1</script>\n\n'
        "![a](http://127.0.0.1:1/a.png) [safe](http://localhost:1/) [not](javascript:document.title=1)"
    )
    async with ModelServer(Say(text), model_port):
        await web.open(await scripted_session(mesh))
        run = await web.send("Hello")
        await expect(outcome(run)).to_be_visible()
    await expect(answer(run).get_by_role("link", name="safe")).to_have_attribute("rel", re.compile("noopener"))
    await expect(answer(run).get_by_role("link", name="not")).to_have_count(0)
    assert await answer(run).locator("img, script, iframe").count() == 0
    assert "Meshwright" in await web.page.title()
