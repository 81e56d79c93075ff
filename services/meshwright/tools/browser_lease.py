"""A browser that is held over BrowserService.Drive: one stream, many commands at once."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Self

import grpc
import structlog

from meshwright.serving.calls import current_traceparent
from meshwright.serving.channel import forward
from meshwright.serving.elsewhere import ATTEMPT_KEY, MAX_ATTEMPTS, may_ask_another
from meshwright.serving.errors import MeshError
from meshwright.v1 import browser_service_pb2, stream_pb2
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.browser_service_pb2_grpc import BrowserServiceStub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from google.rpc.status_pb2 import Status

    from meshwright.v1.browser_pb2 import BrowserCommand, BrowserResult, Lease, LeaseSpec, PageEvent
    from meshwright.v1.browser_service_pb2 import DriveRequest, DriveResponse

SERVICE = "meshwright.v1.BrowserService"
CONNECT_SECONDS = 15.0
"""A service that starts a moment later, or anew, is worth waiting for: a container takes some seconds, and the run would fail."""
RELEASE_SECONDS = 2.0
"""How long giving a browser back may take before the stream is cut, which gives it back as well."""
GRANT_MARGIN_SECONDS = 5.0
PAUSE_SECONDS = 0.01
"""Before another replica is asked, at most."""

log = structlog.get_logger(__name__)


class Browsers:
    """The browser service at the other end of a channel; with `several`, calls may go to one replica of it or another."""

    def __init__(self, channel: grpc.aio.Channel, *, several: bool = False) -> None:
        self.stub = BrowserServiceStub(channel)
        self.several = several
        self._channel = channel

    async def reach(self) -> None:
        """Connects if need be. Raises UNAVAILABLE when the service does not answer within some seconds."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._channel.channel_ready()
        except TimeoutError:
            raise MeshError(
                reasons.ERROR_REASON_UNAVAILABLE, f"{SERVICE} cannot be reached.", metadata={"service": SERVICE}
            ) from None


class BrowserLease:
    """A granted lease. Commands may be sent without waiting for one another; the browser orders those of one tab."""

    def __init__(
        self,
        stub: BrowserServiceStub,
        spec: LeaseSpec,
        on_event: Callable[[PageEvent], None],
        on_end: Callable[[], None],
        attempt: int,
    ) -> None:
        self._requests: asyncio.Queue[DriveRequest | None] = asyncio.Queue()
        self._results: dict[str, asyncio.Future[BrowserResult]] = {}
        self._on_event = on_event
        self._on_end = on_end
        self._count = 0
        self._closing = False
        self._granted_at = self._ended_at = 0.0
        self.granted: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()
        self.end: MeshError | None = None
        """Why it ended against our will, once it has."""
        self.ended = asyncio.Event()
        self._send(browser_service_pb2.DriveRequest(start=spec))
        self._sent_on = False
        self._attempt = attempt
        options = forward(None)
        if attempt:
            options["metadata"] += ((ATTEMPT_KEY, str(attempt)),)
        self._stream = stub.Drive(self._outgoing(), **options)
        self._reading = asyncio.create_task(self._read(), name="drive")

    @classmethod
    async def acquire(
        cls,
        browsers: Browsers,
        spec: LeaseSpec,
        on_event: Callable[[PageEvent], None],
        on_end: Callable[[], None],
    ) -> Self:
        """Waits for a browser for as long as `spec.wait` says. Raises NO_BROWSER_AVAILABLE, UNAVAILABLE, BROWSER_CRASHED, ...

        Of several replicas the one that has a browser first gives it. `on_end` is called when a granted lease is over, before any
        command learns of it.
        """
        await browsers.reach()
        attempt = 1 if browsers.several else 0
        try:
            async with asyncio.timeout(spec.wait.ToMicroseconds() / 1e6 + GRANT_MARGIN_SECONDS):
                while True:
                    lease = cls(browsers.stub, spec, on_event, on_end, attempt)
                    if await lease._is_granted():
                        return lease
                    attempt += 1
                    # Callers in step would go from replica to replica together.
                    await asyncio.sleep(random.uniform(0, PAUSE_SECONDS))  # noqa: S311  # no secret
        except TimeoutError:
            raise _unavailable() from None

    async def _is_granted(self) -> bool:
        """Waits for the grant; False when another replica is to be asked. Raises why there is none otherwise."""
        try:
            await asyncio.shield(self.granted)
        except MeshError:
            if self._sent_on:
                return False
            raise
        except asyncio.CancelledError:
            await self.cut()
            raise
        if self.ended.is_set():
            # Already, behind the grant: who held it now would hold it for ever, as its end was told before.
            raise self._lost()
        return True

    @property
    def lease(self) -> Lease:
        """What was granted."""
        return self.granted.result()

    @property
    def held_seconds(self) -> float:
        """How long the browser has been held, until the end of the lease where it has ended."""
        return (self._ended_at or time.monotonic()) - self._granted_at

    def reason(self) -> Status | None:
        """Why it ended against our will; None while it lives, and when it was given back."""
        return self.end.to_status() if self.end is not None else None

    async def run(self, command: BrowserCommand) -> BrowserResult:
        """Runs one command. Raises its error, or the lease's if that ends; a caller that is cancelled stops the command."""
        if self.ended.is_set():
            raise self._lost()
        self._count += 1
        command_id = f"c{self._count}"
        result: asyncio.Future[BrowserResult] = asyncio.get_running_loop().create_future()
        self._results[command_id] = result
        command.traceparent = current_traceparent()
        self._send(browser_service_pb2.DriveRequest(command_id=command_id, run=command))
        try:
            return await result
        except asyncio.CancelledError:
            stop = browser_service_pb2.CancelCommand(command_id=command_id)
            self._send(browser_service_pb2.DriveRequest(cancel=stop))
            raise
        finally:
            self._results.pop(command_id, None)

    def post(self, command: BrowserCommand) -> None:
        """Sends a command whose result nobody waits for."""
        self._send(browser_service_pb2.DriveRequest(run=command))

    async def ends_within(self, seconds: float) -> bool:
        """Whether the lease is over by then; returns as soon as it is."""
        try:
            async with asyncio.timeout(seconds):
                await self.ended.wait()
        except TimeoutError:
            return False
        return True

    async def release(self) -> None:
        """Gives the browser back, in good order if that is quick."""
        self._closing = True
        self._send(browser_service_pb2.DriveRequest(close=stream_pb2.Close()))
        await asyncio.wait({self._reading}, timeout=RELEASE_SECONDS)
        await self.cut()

    async def cut(self) -> None:
        """Ends the stream at once; the service takes the browser back by itself."""
        self._closing = True
        self._stream.cancel()
        await asyncio.wait({self._reading}, timeout=RELEASE_SECONDS)

    def _send(self, request: DriveRequest) -> None:
        if not request.command_id:
            self._count += 1
            request.command_id = f"c{self._count}"
        self._requests.put_nowait(request)

    async def _outgoing(self) -> AsyncIterator[DriveRequest]:
        while (request := await self._requests.get()) is not None:
            yield request
            if request.HasField("close"):
                return

    async def _read(self) -> None:
        try:
            async for frame in self._stream:
                self._take(frame)
            self.end = _unavailable()
        except grpc.aio.AioRpcError as error:
            self.end = MeshError.from_rpc_error(error, service=SERVICE)
            self._sent_on = 0 < self._attempt < MAX_ATTEMPTS and may_ask_another(error)
        except asyncio.CancelledError:
            # The stream was cut: by us, or by a channel that closed. This task itself is never cancelled.
            self.end = _unavailable()
        finally:
            self._finish()

    def _take(self, frame: DriveResponse) -> None:
        match frame.WhichOneof("frame"):
            case "leased":
                if not self.granted.done():
                    self._granted_at = time.monotonic()
                    self.granted.set_result(frame.leased)
            case "result":
                waiting = self._results.get(frame.result.command_id)
                if waiting is None or waiting.done():
                    return
                if frame.result.HasField("error"):
                    waiting.set_exception(MeshError.from_status(frame.result.error, service=SERVICE))
                else:
                    waiting.set_result(frame.result.result)
            case "event":
                self._on_event(frame.event)

    def _finish(self) -> None:
        self._ended_at = time.monotonic()
        if self._closing:
            self.end = None
        self._requests.put_nowait(None)
        self.ended.set()
        if self.granted.done():
            self._on_end()
        if not self.granted.done():
            self.granted.set_exception(self._lost())
            self.granted.exception()
        for waiting in self._results.values():
            if not waiting.done():
                waiting.set_exception(self._lost())

    def _lost(self) -> MeshError:
        return self.end or _unavailable()


def _unavailable() -> MeshError:
    return MeshError(
        reasons.ERROR_REASON_UNAVAILABLE, "The browser service ended the lease.", metadata={"service": SERVICE}
    )
