"""The BrowserService of the contract."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from meshwright.browser import failures
from meshwright.browser.drive import DriveStream
from meshwright.browser.fleet import Fleet
from meshwright.browser.held_leases import HeldLeases, seconds
from meshwright.browser.lease import Lease
from meshwright.browser.metrics import browser_metrics
from meshwright.browser.pool import Pool
from meshwright.browser.terms import Terms
from meshwright.egress.way_out import way_out
from meshwright.serving.elsewhere import attempt_of
from meshwright.serving.failures import not_implemented
from meshwright.serving.metrics import installed_metrics
from meshwright.serving.server import Service
from meshwright.v1 import browser_service_pb2 as pb
from meshwright.v1 import browser_service_pb2_grpc as pb_grpc
from meshwright.v1.stream_pb2 import GoingAway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import grpc

    from meshwright.browser.settings import BrowserSettings
    from meshwright.egress.way_out import WayOut
    from meshwright.serving.errors import MeshError
    from meshwright.serving.health import Readiness

    Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]

NAME = "meshwright.v1.BrowserService"
START_SECONDS = 30.0
"""How long a Drive stream may take to send its first command."""
CUT_SECONDS = 0.25
"""How long before the end of the server's grace streams are ended, so that they end with a reason."""


class BrowserServicer(pb_grpc.BrowserServiceServicer):
    """Leases out of one pool, through streams and one by one."""

    def __init__(self, pool: Pool, settings: BrowserSettings) -> None:
        self._pool = pool
        self._settings = settings
        self._held = HeldLeases(pool, settings)
        self._streams: set[DriveStream] = set()

    async def Drive(
        self, request_iterator: AsyncIterator[pb.DriveRequest], context: Context
    ) -> AsyncIterator[pb.DriveResponse]:
        lease = await self._start(request_iterator, attempt_of(context.invocation_metadata()))
        reading: asyncio.Task[None] | None = None
        try:
            stream = DriveStream(lease)
            self._streams.add(stream)
            reading = asyncio.create_task(stream.read(request_iterator))
            async for frame in stream.outbox.frames():
                yield frame
        finally:
            lease.end()
            if reading is not None:
                self._streams.discard(stream)
                reading.cancel()

    async def AcquireLease(self, request: pb.AcquireLeaseRequest, context: Context) -> pb.AcquireLeaseResponse:
        held = await self._held.acquire(request, attempt_of(context.invocation_metadata()))
        return pb.AcquireLeaseResponse(lease=held.lease.describe())

    async def RunCommand(self, request: pb.RunCommandRequest, context: Context) -> pb.RunCommandResponse:
        return pb.RunCommandResponse(result=await self._held.run(request.lease_id, request.command))

    async def RenewLease(self, request: pb.RenewLeaseRequest, context: Context) -> pb.RenewLeaseResponse:
        held = self._held.find(request.lease_id)
        held.renew(seconds(request.ttl))
        return pb.RenewLeaseResponse(lease=held.lease.describe(), ttl_expire_time=held.expire_time())

    async def ReleaseLease(self, request: pb.ReleaseLeaseRequest, context: Context) -> pb.ReleaseLeaseResponse:
        self._held.release(request.lease_id, attempt_of(context.invocation_metadata()))
        return pb.ReleaseLeaseResponse()

    async def GetPool(self, request: pb.GetPoolRequest, context: Context) -> pb.GetPoolResponse:
        pool, fleet = self._pool, self._pool.fleet
        state = pb.Pool(
            capacity=self._settings.browser_capacity,
            leased=pool.leased,
            warm=pool.warm,
            queued=pool.queued,
            granted=pool.granted,
            granted_warm=pool.granted_warm,
            crashes=fleet.crashes,
            browser_version=fleet.version,
            sandboxed=fleet.sandboxed,
        )
        state.uptime.FromNanoseconds(round(pool.uptime * 1e9))
        return pb.GetPoolResponse(pool=state)

    # The live view is not built yet.

    def WatchLease(self, request: pb.WatchLeaseRequest, context: Context) -> AsyncIterator[pb.WatchLeaseResponse]:
        raise _not_built("WatchLease")

    async def TakeControl(self, request: pb.TakeControlRequest, context: Context) -> pb.TakeControlResponse:
        raise _not_built("TakeControl")

    async def CedeControl(self, request: pb.CedeControlRequest, context: Context) -> pb.CedeControlResponse:
        raise _not_built("CedeControl")

    async def SendInput(self, request: pb.SendInputRequest, context: Context) -> pb.SendInputResponse:
        raise _not_built("SendInput")

    def drain(self) -> None:
        """Tell every stream to go, and end those that have not gone shortly before the server would cut them."""
        grace = max(self._settings.stop_grace - CUT_SECONDS, 0.0)
        going_away = GoingAway()
        going_away.grace.FromNanoseconds(round(grace * 1e9))
        for stream in self._streams:
            stream.outbox.put(pb.DriveResponse(going_away=going_away))
        asyncio.get_running_loop().call_later(grace, self._end_streams)

    def _end_streams(self) -> None:
        for stream in tuple(self._streams):
            stream.lease.fail(failures.shutting_down(NAME))

    def end_held_leases(self) -> None:
        """End the leases that no stream holds."""
        self._held.end_all()

    async def _start(self, requests: AsyncIterator[pb.DriveRequest], attempt: int) -> Lease:
        try:
            async with asyncio.timeout(START_SECONDS):
                first = await anext(requests, None)
        except TimeoutError:
            raise failures.stream_protocol("start") from None
        if first is None or first.WhichOneof("command") != "start":
            raise failures.stream_protocol("start")
        terms = Terms.of(first.start, self._settings, path="start")
        return await Lease.begin(self._pool, self._settings, terms, attempt)


def _report(readiness: Readiness, fleet: Fleet, way: WayOut) -> None:
    if not way.is_up:
        # Browsers without it reach nothing.
        readiness.set_waiting("the egress proxy to start again")
    elif not fleet.is_healthy:
        readiness.set_waiting("the browser to start again")
    else:
        readiness.set_ready()


def _not_built(method: str) -> MeshError:
    return not_implemented(f"/{NAME}/{method}")


def browser_service(settings: BrowserSettings) -> Service[BrowserServicer]:
    """The service as a server takes it."""

    @asynccontextmanager
    async def opened(readiness: Readiness) -> AsyncIterator[BrowserServicer]:
        async with way_out(settings) as way:
            fleet = Fleet(settings, way.server)
            pool = Pool(settings, fleet)
            browser_metrics.open(installed_metrics(), pool, way, settings.browser_capacity)
            report = partial(_report, readiness, fleet, way)
            way.on_change(report)
            fleet.on_ready(report)
            fleet.on_lost(lambda _process: report())
            try:
                await pool.start()
                servicer = BrowserServicer(pool, settings)
                yield servicer
                servicer.end_held_leases()
            finally:
                await pool.stop()

    async def drain(servicer: BrowserServicer) -> None:
        servicer.drain()

    return Service(NAME, pb_grpc.add_BrowserServiceServicer_to_server, opened, drain)
