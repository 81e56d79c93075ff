"""A client of the browser service for tests, and pages for it to visit."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import psutil
from aiohttp import web
from google.protobuf import json_format

from meshwright.browser.service import browser_service
from meshwright.browser.settings import BrowserSettings
from meshwright.serving.channel import open_channel
from meshwright.serving.errors import MeshError
from meshwright.serving.server import Server
from meshwright.v1 import browser_pb2
from meshwright.v1.browser_service_pb2 import CancelCommand, DriveRequest, DriveResponse, GetPoolRequest, Pool
from meshwright.v1.browser_service_pb2_grpc import BrowserServiceStub
from meshwright.v1.stream_pb2 import Close

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from meshwright.v1.browser_pb2 import BrowserResult, PageEvent

PATIENCE = 60.0
"""Seconds after which a test gives up waiting for what should come."""


class Driving:
    """One Drive stream. Results are futures that raise MeshError; events gather in `events`."""

    def __init__(self, stub: BrowserServiceStub) -> None:
        self.call: Any = stub.Drive()
        self.lease = browser_pb2.Lease()
        self.events: list[PageEvent] = []
        self.frames: list[DriveResponse] = []
        self.ended: asyncio.Future[None]
        """Done when the stream has ended; raises the MeshError that ended it."""
        self._results: dict[str, asyncio.Future[BrowserResult]] = {}
        self._news = asyncio.Condition()
        self._sent = 0

    async def start(self, spec: browser_pb2.LeaseSpec | None = None) -> None:
        await self.call.write(DriveRequest(command_id="start", start=spec or browser_pb2.LeaseSpec()))
        self.ended = asyncio.ensure_future(self._read())
        self.ended.add_done_callback(lambda future: future.cancelled() or future.exception())
        await self.until(lambda: bool(self.lease.lease_id) or self.ended.done())
        if not self.lease.lease_id:
            await self.ended

    async def send(self, tab: str = "", timeout: float = 0.0, command_id: str = "", **action: Any) -> Any:
        """Sends a command and returns the future of its result."""
        command = browser_pb2.BrowserCommand(tab_id=tab, **action)
        if timeout:
            command.timeout.FromNanoseconds(round(timeout * 1e9))
        self._sent += 1
        command_id = command_id or f"c{self._sent}"
        result = self._results[command_id] = asyncio.get_running_loop().create_future()
        result.add_done_callback(lambda future: future.cancelled() or future.exception())
        await self.call.write(DriveRequest(command_id=command_id, run=command))
        return result

    async def run(self, tab: str = "", timeout: float = 0.0, **action: Any) -> BrowserResult:
        """Sends a command and waits for its result."""
        sent = await self.send(tab, timeout, **action)
        async with asyncio.timeout(PATIENCE):
            result: BrowserResult = await sent
        return result

    async def goto(self, url: str, tab: str = "") -> BrowserResult:
        return await self.run(tab, navigate=browser_pb2.Navigate(url=url))

    async def snapshot(self, tab: str = "") -> browser_pb2.PageSnapshot:
        return (await self.run(tab, snapshot=browser_pb2.Snapshot())).snapshot

    async def element(self, text: str, tab: str = "") -> browser_pb2.Element:
        """The element whose line in a new snapshot begins with the text."""
        taken = await self.snapshot(tab)
        line = next(line for line in taken.text.splitlines() if text in line)
        return browser_pb2.Element(ref=line.split("[ref=")[1].split("]")[0], snapshot_id=taken.snapshot_id)

    async def click(self, text: str, tab: str = "") -> BrowserResult:
        return await self.run(tab, click=browser_pb2.Click(element=await self.element(text, tab)))

    async def evaluate(self, script: str) -> object:
        """What a script returns in the tab; only where the service has scripts turned on."""
        result = await self.run(evaluate=browser_pb2.Evaluate(script=script))
        return json_format.MessageToDict(result.value)

    async def cancel(self, command_id: str) -> None:
        await self.call.write(DriveRequest(command_id="cancel", cancel=CancelCommand(command_id=command_id)))

    async def event(self, kind: str) -> PageEvent:
        """The first event of the kind, which it waits for."""
        await self.until(lambda: any(event.WhichOneof("kind") == kind for event in self.events))
        return next(event for event in self.events if event.WhichOneof("kind") == kind)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(condition)

    async def close(self) -> None:
        """Sends `close` and waits for the end. Raises the MeshError that ended the stream."""
        if not self.ended.done():
            await self.call.write(DriveRequest(command_id="close", close=Close()))
            await self.call.done_writing()
        async with asyncio.timeout(PATIENCE):
            await self.ended

    async def _read(self) -> None:
        try:
            async for frame in self.call:
                self._take(frame)
                async with self._news:
                    self._news.notify_all()
        except grpc.aio.AioRpcError as error:
            raise MeshError.from_rpc_error(error) from None
        finally:
            async with self._news:
                self._news.notify_all()

    def _take(self, frame: DriveResponse) -> None:
        self.frames.append(frame)
        match frame.WhichOneof("frame"):
            case "leased":
                self.lease = frame.leased
            case "event":
                self.events.append(frame.event)
            case "result":
                future = self._results.pop(frame.result.command_id)
                if frame.result.WhichOneof("outcome") == "error":
                    future.set_exception(MeshError.from_status(frame.result.error))
                else:
                    future.set_result(frame.result.result)


class BrowserClient:
    """A channel to a browser service."""

    def __init__(self, stub: BrowserServiceStub) -> None:
        self.stub = stub

    @asynccontextmanager
    async def drive(self, **spec: Any) -> AsyncIterator[Driving]:
        """A lease for the block."""
        driving = Driving(self.stub)
        try:
            await driving.start(browser_pb2.LeaseSpec(**spec))
            yield driving
            await driving.close()
        finally:
            driving.call.cancel()

    async def pool(self) -> Pool:
        return (await self.stub.GetPool(GetPoolRequest())).pool

    async def pool_when(self, condition: Callable[[Pool], bool]) -> Pool:
        """The state of the pool as soon as it is so."""
        async with asyncio.timeout(PATIENCE):
            while True:
                pool = await self.pool()
                if condition(pool):
                    return pool
                await asyncio.sleep(0.01)


@asynccontextmanager
async def browser_client(**settings: Any) -> AsyncIterator[tuple[BrowserClient, Server[Any]]]:
    """A browser service on a free port, and a client of it, once its stock is full."""
    defaults = {"listen": "127.0.0.1:0", "browser_warm": 2, "browser_capacity": 4, "egress_allow": "127.0.0.1"}
    loaded = BrowserSettings.load(**{**defaults, **settings})
    async with Server(browser_service(loaded), loaded) as server, open_channel(server.address) as channel:
        client = BrowserClient(BrowserServiceStub(channel))
        await client.pool_when(lambda pool: pool.warm == loaded.browser_warm)
        yield client, server


def command_line(process: psutil.Process) -> list[str]:
    """Its words; none once it has ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


async def eventually(condition: Callable[[], bool]) -> None:
    """Waits until it is so."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


async def fails(awaitable: Awaitable[object]) -> MeshError:
    """The MeshError with which it fails, as it has to."""
    try:
        async with asyncio.timeout(PATIENCE):
            await awaitable
    except MeshError as error:
        return error
    raise AssertionError("it did not fail")


class Site:
    """Pages by path: HTML, or a handler."""

    def __init__(self) -> None:
        self.url = ""
        self.pages: dict[str, str | Callable[[web.Request], Awaitable[web.StreamResponse]]] = {}
        self.visits: list[str] = []

    def page(self, path: str, body: str, title: str = "A page") -> str:
        """Adds a page; returns its address."""
        self.pages[path] = f"<!doctype html><title>{title}</title><body>{body}</body>"
        return self.url + path

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.visits.append(request.path)
        page = self.pages.get(request.path)
        if page is None:
            return web.Response(status=404, text="<title>Nothing here</title>Nothing here", content_type="text/html")
        if isinstance(page, str):
            return web.Response(text=page, content_type="text/html")
        return await page(request)


@asynccontextmanager
async def local_site() -> AsyncIterator[Site]:
    """The site on a free port of loopback."""
    pages = Site()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", pages.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    pages.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield pages
    finally:
        await runner.cleanup()
