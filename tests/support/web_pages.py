"""A small web site for tests of browsers: pages that are given as HTML, and pages that wait until the test lets them go."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class WebPages:
    """Serves `pages` by path. A path in `gates` answers only once its event is set; `arrived` tells that it was asked for."""

    def __init__(self) -> None:
        self.url = ""
        self.pages: dict[str, str] = {}
        self.gates: dict[str, asyncio.Event] = {}
        self.visits: dict[str, int] = {}
        self._news = asyncio.Condition()

    def add(self, path: str, body: str, *, title: str = "A page", gated: bool = False) -> str:
        """Adds a page; returns its address."""
        self.pages[path] = f"<!doctype html><title>{title}</title><body>{body}</body>"
        if gated:
            self.gates[path] = asyncio.Event()
        return f"{self.url}{path}"

    async def visited(self, path: str, times: int = 1) -> None:
        """Waits until the path was asked for so often."""
        async with asyncio.timeout(30), self._news:
            await self._news.wait_for(lambda: self.visits.get(path, 0) >= times)

    async def answer(self, request: web.Request) -> web.Response:
        """The page of the path."""
        async with self._news:
            self.visits[request.path] = self.visits.get(request.path, 0) + 1
            self._news.notify_all()
        if gate := self.gates.get(request.path):
            await gate.wait()
        page = self.pages.get(request.path)
        if page is None:
            return web.Response(status=404, text="<title>Nothing here</title>", content_type="text/html")
        return web.Response(text=page, content_type="text/html", headers={"Set-Cookie": "seen=yes; Max-Age=3600"})


@asynccontextmanager
async def web_pages() -> AsyncIterator[WebPages]:
    """The site on a free port of loopback."""
    pages = WebPages()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", pages.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    pages.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield pages
    finally:
        for gate in pages.gates.values():
            gate.set()
        await runner.cleanup()
