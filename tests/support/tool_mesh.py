"""The tools server before a real browser service, and pages to visit: what tests of the browser.* tools need."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from meshwright.browser.service import browser_service
from meshwright.browser.settings import BrowserSettings
from meshwright.serving.channel import open_channel
from meshwright.serving.server import Server
from meshwright.v1 import tool_pb2
from meshwright.v1.browser_service_pb2 import GetPoolRequest, Pool
from meshwright.v1.browser_service_pb2_grpc import BrowserServiceStub
from tests.support.tool_stream import ToolClient, ToolStream, structured, tool_server
from tests.support.web_pages import WebPages, web_pages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from meshwright.v1.tool_pb2 import ToolCompletion


@dataclass(frozen=True)
class ToolMesh:
    """What runs."""

    tools: ToolClient
    pages: WebPages
    browsers: BrowserServiceStub

    async def visit(self, stream: ToolStream, path: str) -> ToolCompletion:
        """Opens one of the pages in a new tab."""
        done = await stream.run("browser.open", {"url": self.pages.url + path})
        assert done.outcome == tool_pb2.TOOL_OUTCOME_SUCCEEDED, done
        return done

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[ToolStream]:
        """A stream that ends with its client, and gives its browser back however the test left it."""
        async with self.tools.stream() as opened:
            yield opened
        await self.none_leased()

    async def pool(self) -> Pool:
        """The state of the browser pool."""
        return (await self.browsers.GetPool(GetPoolRequest())).pool

    async def none_leased(self) -> None:
        """Waits until every browser was given back."""
        await self.pool_is(lambda pool: pool.leased == 0)

    async def pool_is(self, condition: Callable[[Pool], bool]) -> None:
        """Waits until the pool is so."""
        async with asyncio.timeout(30):
            while not condition(await self.pool()):  # noqa: ASYNC110 (another process could hold the pool: there is nothing to wait on)
                await asyncio.sleep(0.01)


@asynccontextmanager
async def browser_server(folder: Path, **settings: Any) -> AsyncIterator[BrowserServiceStub]:
    """A browser service on a Unix socket in the folder."""
    defaults = {"browser_warm": 1, "stop_grace": 1.0, "egress_allow": "127.0.0.1"}
    loaded = BrowserSettings.load(
        listen=f"unix:{folder}/browser.sock", data_dir=folder / "browser", **{**defaults, **settings}
    )
    async with Server(browser_service(loaded), loaded) as server, open_channel(server.address) as channel:
        yield BrowserServiceStub(channel)


@asynccontextmanager
async def tool_mesh(folder: Path, **settings: Any) -> AsyncIterator[ToolMesh]:
    """Everything, with the settings for both servers."""
    async with (
        browser_server(folder, **{k: v for k, v in settings.items() if k in BrowserSettings.model_fields}) as browsers,
        tool_server(folder, browser_address=f"unix:{folder}/browser.sock", **settings) as tools,
        web_pages() as pages,
    ):
        yield ToolMesh(tools, pages, browsers)


def ref_of(page: ToolCompletion, element: str) -> str:
    """The ref of the first element whose line of the page text contains the words."""
    for line in structured(page)["snapshot"].split("\n"):
        found = re.search(r"\[ref=([a-z0-9]+)\]", line)
        if element in line and found:
            return found.group(1)
    raise AssertionError(f"no {element} in {structured(page)['snapshot']}")
