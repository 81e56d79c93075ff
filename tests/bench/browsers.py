"""The job `open a page in a browser of its own, take its picture, give the browser back` in the three ways that there are."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

import grpc
from playwright.async_api import ViewportSize, async_playwright

from meshwright.browser import chromium
from meshwright.v1 import browser_pb2
from meshwright.v1.browser_service_pb2 import DriveRequest, DriveResponse, GetPoolRequest
from meshwright.v1.browser_service_pb2_grpc import BrowserServiceStub
from meshwright.v1.stream_pb2 import Close

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, BrowserType

VIEWPORT: ViewportSize = {"width": 1280, "height": 800}
QUALITY = 70
POOL_LOOK_SECONDS = 0.01
POOL_PATIENCE_SECONDS = 20.0


class Way(Protocol):
    """One way to do the job."""

    async def lease(self) -> float:
        """Seconds until a blank page of one's own is there; it is given back afterwards."""
        ...

    async def job(self, url: str) -> None:
        """The whole job."""
        ...


class ThroughMesh:
    """Over gRPC, from the warm pool of BrowserService."""

    def __init__(self, stub: BrowserServiceStub) -> None:
        self._stub = stub

    async def warm(self, contexts: int) -> None:
        """Wait until so many contexts stand ready."""
        async with asyncio.timeout(POOL_PATIENCE_SECONDS):
            while await self._contexts() < contexts:  # noqa: ASYNC110 (a counter elsewhere has nothing to await)
                await asyncio.sleep(POOL_LOOK_SECONDS)

    async def _contexts(self) -> int:
        return (await self._stub.GetPool(GetPoolRequest())).pool.warm

    async def lease(self) -> float:
        """See Way."""
        begun = time.perf_counter()
        call: Any = self._stub.Drive()
        await call.write(DriveRequest(command_id="start", start=browser_pb2.LeaseSpec()))
        frame: DriveResponse = await call.read()
        seconds = time.perf_counter() - begun
        assert frame.HasField("leased"), frame
        await call.write(DriveRequest(command_id="close", close=Close()))
        await call.done_writing()
        while await call.read() is not grpc.aio.EOF:
            pass
        return seconds

    async def job(self, url: str) -> None:
        """See Way; all commands are sent at once."""
        call: Any = self._stub.Drive()
        navigate = browser_pb2.Navigate(url=url, wait_until=browser_pb2.LOAD_STATE_LOADED)
        picture = browser_pb2.Screenshot(format=browser_pb2.IMAGE_FORMAT_JPEG, quality=QUALITY)
        await call.write(DriveRequest(command_id="start", start=browser_pb2.LeaseSpec()))
        await call.write(DriveRequest(command_id="go", run=browser_pb2.BrowserCommand(navigate=navigate)))
        await call.write(DriveRequest(command_id="look", run=browser_pb2.BrowserCommand(screenshot=picture)))
        await call.write(DriveRequest(command_id="close", close=Close()))
        await call.done_writing()
        frames: list[DriveResponse] = []
        while (frame := await call.read()) is not grpc.aio.EOF:
            frames.append(frame)
        pictures = [f for f in frames if f.result.command_id == "look"]
        assert any(picture.result.result.capture.data for picture in pictures), frames


class WarmPlaywright:
    """A new context on a browser that runs already, in the caller's process."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    async def lease(self) -> float:
        """See Way."""
        begun = time.perf_counter()
        context = await self._browser.new_context(viewport=VIEWPORT)
        await context.new_page()
        seconds = time.perf_counter() - begun
        await context.close()
        return seconds

    async def job(self, url: str) -> None:
        """See Way."""
        context = await self._browser.new_context(viewport=VIEWPORT)
        page = await context.new_page()
        await page.goto(url, wait_until="load")
        assert await page.screenshot(type="jpeg", quality=QUALITY)
        await context.close()


class LaunchedPlaywright:
    """A browser launched for each task."""

    def __init__(self, kind: BrowserType, executable: str) -> None:
        self._kind = kind
        self._executable = executable

    async def lease(self) -> float:
        """See Way."""
        begun = time.perf_counter()
        browser = await self._kind.launch(executable_path=self._executable)
        await browser.new_page(viewport=VIEWPORT)
        seconds = time.perf_counter() - begun
        await browser.close()
        return seconds

    async def job(self, url: str) -> None:
        """See Way."""
        browser = await self._kind.launch(executable_path=self._executable)
        try:
            await WarmPlaywright(browser).job(url)
        finally:
            await browser.close()


@asynccontextmanager
async def bare_playwright() -> AsyncIterator[tuple[WarmPlaywright, LaunchedPlaywright]]:
    """Both ways without the mesh, with the Chromium that the mesh uses."""
    found = chromium.find()
    assert found is not None, "no Chromium is installed"
    executable = str(found.path)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable)
        try:
            yield WarmPlaywright(browser), LaunchedPlaywright(playwright.chromium, executable)
        finally:
            await browser.close()
