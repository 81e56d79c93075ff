"""Several real browser services, before them a real gateway, and the ways in which callers come to a lease."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.duration_pb2 import Duration

from meshwright.browser.service import browser_service
from meshwright.browser.settings import BrowserSettings
from meshwright.gateway.gateway import Gateway
from meshwright.serving.address import Address
from meshwright.serving.channel import open_channel
from meshwright.serving.errors import MeshError
from meshwright.serving.server import Server
from meshwright.tools.browser_lease import BrowserLease, Browsers
from meshwright.v1 import browser_pb2, stream_pb2
from meshwright.v1 import browser_service_pb2 as pb
from meshwright.v1.browser_service_pb2_grpc import BrowserServiceStub
from tests.support.gateway_mesh import upstream_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

CAPACITY = 3
LIMIT = 40.0
WAYS = ("tools", "Drive", "AcquireLease")
"""The tools' own client, and both doors of the contract through the gateway."""


class Held:
    """A lease, and how to give it back."""

    def __init__(self, lease: browser_pb2.Lease, give_back: Callable[[], Any]) -> None:
        self.lease = lease
        self._give_back = give_back

    async def give_back(self) -> None:
        await self._give_back()


class Replica:
    """A browser service that may be started later than others."""

    def __init__(self, folder: Path, name: str) -> None:
        self.address = Address(path=str(folder / f"{name}.sock"))
        self._settings = BrowserSettings.load(
            listen=self.address,
            data_dir=folder / name,
            browser_warm=CAPACITY,
            browser_capacity=CAPACITY,
            stop_grace=0.2,
            egress_proxy="http://127.0.0.1:9",
        )
        self.runs = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """It runs inside the block."""
        async with Server(browser_service(self._settings), self._settings), open_channel(self.address) as channel:
            self.stub, self.runs = BrowserServiceStub(channel), True
            try:
                yield
            finally:
                self.runs = False

    async def pool(self) -> pb.Pool:
        return (await self.stub.GetPool(pb.GetPoolRequest())).pool

    async def fill(self) -> list[Held]:
        """All of its browsers."""
        return [await drive(self.stub, 10.0) for _ in range(CAPACITY)]


class Replicas:
    """Two or three of them. Those that do not run yet are refused connections."""

    def __init__(self, tools: Browsers, gateway: BrowserServiceStub, each: list[Replica]) -> None:
        self.each = each
        self._tools = tools
        self._gateway = gateway

    async def lease(self, way: str, wait: float) -> Held:
        """Raises MeshError."""
        if way == "tools":
            return await _as_tools(self._tools, wait)
        return await (drive if way == "Drive" else acquire)(self._gateway, wait)

    async def pools(self) -> list[pb.Pool]:
        return [await replica.pool() for replica in self.each if replica.runs]

    async def until(self, condition: Callable[[list[pb.Pool]], bool]) -> list[pb.Pool]:
        """The state of the pools as soon as it is so."""
        async with asyncio.timeout(LIMIT):
            while True:
                pools = await self.pools()
                if condition(pools):
                    return pools
                await asyncio.sleep(0.02)

    async def rested(self) -> None:
        """Wait until nobody holds or waits for anything and all browsers stand ready."""
        await self.until(lambda pools: all((p.leased, p.queued, p.warm) == (0, 0, CAPACITY) for p in pools))


@contextlib.asynccontextmanager
async def browser_replicas(folder: Path, *, running: int, known: int) -> AsyncIterator[Replicas]:
    """So many are `running`, of those that callers know addresses of."""
    async with contextlib.AsyncExitStack() as stack:
        each = [Replica(folder, f"b{number}") for number in range(known)]
        for replica in each[:running]:
            await stack.enter_async_context(replica.running())
        addresses = tuple(replica.address for replica in each)
        gateway = await stack.enter_async_context(Gateway(upstream_settings(folder, browser_address=addresses)))
        through = await stack.enter_async_context(grpc.aio.insecure_channel(gateway.address))
        direct = await stack.enter_async_context(open_channel(*addresses))
        replicas = Replicas(Browsers(direct, several=known > 1), BrowserServiceStub(through), each)
        await replicas.rested()
        yield replicas


async def drive(stub: BrowserServiceStub, wait: float) -> Held:
    """A lease that a stream holds. Raises MeshError."""
    call: Any = stub.Drive()
    try:
        await call.write(pb.DriveRequest(command_id="start", start=_spec(wait)))
        frame = await call.read()
        if frame is grpc.aio.EOF:
            await _raise(call)
    except grpc.aio.AioRpcError as error:
        raise MeshError.from_rpc_error(error) from None
    except asyncio.CancelledError:
        call.cancel()
        raise

    async def close() -> None:
        await call.write(pb.DriveRequest(command_id="close", close=stream_pb2.Close()))
        while await call.read() is not grpc.aio.EOF:
            pass

    return Held(frame.leased, close)


async def acquire(stub: BrowserServiceStub, wait: float) -> Held:
    """A lease that no stream holds. Raises MeshError."""
    request = pb.AcquireLeaseRequest(request_id=f"r{time.monotonic_ns()}", spec=_spec(wait))
    try:
        lease = (await stub.AcquireLease(request, timeout=LIMIT + wait)).lease
    except grpc.aio.AioRpcError as error:
        raise MeshError.from_rpc_error(error) from None

    async def release() -> None:
        await stub.ReleaseLease(pb.ReleaseLeaseRequest(lease_id=lease.lease_id))

    return Held(lease, release)


async def _as_tools(browsers: Browsers, wait: float) -> Held:
    lease = await BrowserLease.acquire(browsers, _spec(wait), lambda _event: None, lambda: None)
    return Held(lease.lease, lease.release)


async def _raise(call: Any) -> None:
    raise grpc.aio.AioRpcError(
        await call.code(), await call.initial_metadata(), await call.trailing_metadata(), await call.details()
    )


def _spec(wait: float) -> browser_pb2.LeaseSpec:
    duration = Duration()
    duration.FromMilliseconds(round(wait * 1000))
    return browser_pb2.LeaseSpec(wait=duration)
