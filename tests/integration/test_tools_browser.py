"""The browser.* tools, against a real browser service and a real Chromium."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.tool_stream import ToolClient, structured, tool_server
from tests.support.web_pages import WebPages, web_pages

from meshwright.browser.service import browser_service
from meshwright.browser.settings import BrowserSettings
from meshwright.serving.server import Server
from meshwright.v1 import tool_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SUCCEEDED = tool_pb2.TOOL_OUTCOME_SUCCEEDED


@pytest.fixture
async def pages() -> AsyncIterator[WebPages]:
    async with web_pages() as site:
        yield site


@pytest.fixture
async def tools(tmp_path: Path) -> AsyncIterator[ToolClient]:
    settings = BrowserSettings.load(
        listen=f"unix:{tmp_path}/browser.sock", data_dir=tmp_path / "browser", browser_warm=1
    )
    async with (
        Server(browser_service(settings), settings) as server,
        tool_server(tmp_path, browser_address=str(server.address)) as client,
    ):
        yield client


async def test_an_opened_page_comes_as_text_with_refs_and_its_address(tools: ToolClient, pages: WebPages) -> None:
    url = pages.add("/lamp", "<h1>Desk lamp</h1><p>39.90</p><a href='/desk'>Desk</a>", title="Lamp")
    async with tools.stream() as stream:
        done = await stream.run("browser.open", {"url": url})

    assert done.outcome == SUCCEEDED
    assert done.result.text.startswith(f"[tab t1] Lamp — {url}\n")
    assert "39.90" in done.result.text
    assert "[ref=" in done.result.text
    assert done.result.untrusted_origin == pages.url
    page = structured(done)
    assert (page["tab"], page["url"], page["title"], page["http_status"]) == ("t1", url, "Lamp", 200)


async def test_a_click_follows_a_link_and_shows_the_next_page(tools: ToolClient, pages: WebPages) -> None:
    pages.add("/desk", "<h1>Oak desk</h1>", title="Desk")
    url = pages.add("/lamp", "<a href='/desk'>To the desk</a>")
    async with tools.stream() as stream:
        opened = structured(await stream.run("browser.open", {"url": url}))
        ref = opened["snapshot"].split('"To the desk" [ref=')[1].split("]")[0]
        clicked = await stream.run("browser.click", {"ref": ref})

    assert clicked.outcome == SUCCEEDED, clicked
    assert structured(clicked)["title"] == "Desk"
    assert "Oak desk" in clicked.result.text


async def test_a_form_is_filled_and_sent(tools: ToolClient, pages: WebPages) -> None:
    pages.add("/found", "<p>Results</p>", title="Found")
    url = pages.add("/", "<form action='/found'><input aria-label='Search'></form>")
    async with tools.stream() as stream:
        opened = structured(await stream.run("browser.open", {"url": url}))
        ref = opened["snapshot"].split('"Search" [ref=')[1].split("]")[0]
        typed = await stream.run("browser.type", {"ref": ref, "text": "lamp", "submit": True})

    assert typed.outcome == SUCCEEDED, typed
    assert structured(typed)["title"] == "Found"


async def test_a_screenshot_is_kept_as_an_artifact(tools: ToolClient, pages: WebPages) -> None:
    url = pages.add("/", "<h1>Hello</h1>")
    async with tools.stream() as stream:
        await stream.run("browser.open", {"url": url})
        done = await stream.run("browser.screenshot", {})

    assert done.outcome == SUCCEEDED, done
    [artifact] = done.result.artifacts
    assert artifact.media_type == "image/jpeg"
    assert artifact.width > 0
    assert artifact.description == f"Screenshot of {url}"
    assert structured(done)["artifact_id"] == artifact.artifact_id
