"""Meshwright's page as a person has it: one tab of a real Chromium, at the shared mesh."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest_asyncio
from playwright.async_api import expect

from meshwright.client import Mesh as Client
from meshwright.client import NotFound
from tests.support.web_page import PATIENCE, WebPage, chromium_browser

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser

    from tests.support.mesh_process import MeshProcess

expect.set_options(timeout=PATIENCE)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium_browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def web(mesh: MeshProcess, browser: Browser) -> AsyncIterator[WebPage]:
    context = await browser.new_context()
    web = WebPage(await context.new_page())
    yield web
    await context.close()
    # A session keeps its browser for a while, and there are only so many.
    async with Client(mesh.address) as client:
        for session_id in web.sessions:
            with contextlib.suppress(NotFound):
                await client.session(session_id).delete()
    assert web.complaints == []
