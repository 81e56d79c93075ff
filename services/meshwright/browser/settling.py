"""After an action: letting the page finish what the action set off, so that the next command sees its outcome."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from playwright.async_api import Error as PlaywrightError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Page, Request

# A handler that answers by a timer of zero, and the way from the page to us.
START_SECONDS = 0.04
# Fetching and showing something is usual; waiting for a poll that never ends is useless.
FETCH_SECONDS = 0.5
NAVIGATION_SECONDS = 5.0
FETCHES = frozenset({"fetch", "xhr", "script", "document"})


class _Aftermath:
    """The requests that a page makes from now on."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._open: set[Request] = set()
        self._calm = asyncio.Event()
        self._loaded = asyncio.Event()
        self.navigating = False
        page.on("request", self._begun)
        page.on("requestfinished", self._done)
        page.on("requestfailed", self._done)
        page.on("domcontentloaded", self._parsed)

    def close(self) -> None:
        """Listen no more."""
        page = self._page
        page.remove_listener("request", self._begun)
        page.remove_listener("requestfinished", self._done)
        page.remove_listener("requestfailed", self._done)
        page.remove_listener("domcontentloaded", self._parsed)

    async def settle(self) -> None:
        """Wait until the page has loaded where it goes, or has what it fetches; for neither for long."""
        await asyncio.sleep(START_SECONDS)
        with suppress(TimeoutError):
            if self.navigating:
                async with asyncio.timeout(NAVIGATION_SECONDS):
                    await self._loaded.wait()
            elif self._open:
                async with asyncio.timeout(FETCH_SECONDS):
                    await self._calm.wait()

    def _begun(self, request: Request) -> None:
        if request.resource_type not in FETCHES:
            return
        with suppress(PlaywrightError):
            if request.is_navigation_request() and request.frame == self._page.main_frame:
                self.navigating = True
                self._loaded.clear()
        self._open.add(request)
        self._calm.clear()

    def _done(self, request: Request) -> None:
        self._open.discard(request)
        if not self._open:
            self._calm.set()
        if self.navigating and request.failure is not None and request.is_navigation_request():
            self._loaded.set()

    def _parsed(self, _page: Page) -> None:
        self._loaded.set()


@asynccontextmanager
async def settling(page: Page) -> AsyncIterator[None]:
    """Act inside the block; leaving it waits until the page has taken the action in."""
    aftermath = _Aftermath(page)
    try:
        yield
        await aftermath.settle()
    finally:
        aftermath.close()
