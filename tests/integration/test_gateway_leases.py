"""Calls about leases, and calls for one, at several browser services behind one gateway."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from meshwright.browser import failures
from meshwright.serving.address import Address
from meshwright.serving.elsewhere import ATTEMPT_KEY, attempt_of
from meshwright.serving.inbound import MIB
from meshwright.serving.server import Server, Service
from meshwright.serving.settings import ServerSettings
from meshwright.v1 import browser_service_pb2 as pb
from meshwright.v1.browser_pb2 import BrowserCommand, Element, LeaseSpec, Type
from meshwright.v1.browser_service_pb2_grpc import (
    BrowserServiceServicer,
    BrowserServiceStub,
    add_BrowserServiceServicer_to_server,
)
from tests.support.gateway_mesh import eventually
from tests.support.gateway_replicas import agents, gateway_before, sockets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from meshwright.serving.health import Readiness

LIMIT = 60.0


class Leases(BrowserServiceServicer):
    """Knows some leases."""

    def __init__(self, *leases: str) -> None:
        self.leases = leases
        self.asked: list[str] = []

    async def RunCommand(self, request: pb.RunCommandRequest, context: Any) -> pb.RunCommandResponse:  # noqa: N802
        self.asked.append(request.lease_id)
        if request.lease_id not in self.leases:
            raise failures.lease_not_found(request.lease_id)
        return pb.RunCommandResponse()

    async def GetPool(self, request: pb.GetPoolRequest, context: Any) -> pb.GetPoolResponse:  # noqa: N802
        return pb.GetPoolResponse(pool=pb.Pool(leased=len(self.leases)))

    @contextlib.asynccontextmanager
    async def open(self, _readiness: Readiness) -> AsyncIterator[Leases]:
        yield self

    def serve(self, address: Address) -> Server[Leases]:
        service = Service("meshwright.v1.BrowserService", add_BrowserServiceServicer_to_server, self.open)
        return Server(service, ServerSettings(listen=address, stop_grace=0.1))


def command(lease_id: str, text: str = "") -> pb.RunCommandRequest:
    typing = Type(element=Element(ref="e1", snapshot_id="s1"), text=text)
    return pb.RunCommandRequest(lease_id=lease_id, command=BrowserCommand(type=typing))


def leases(*held: str) -> Leases:
    return Leases(*held)  # type: ignore[abstract]  # the rest is not implemented


async def test_a_call_about_a_lease_finds_the_replica_that_holds_it(tmp_path: Path) -> None:
    replicas = [leases(f"lease_{number}") for number in range(5)]
    names = [f"browser{number}" for number in range(5)]
    async with contextlib.AsyncExitStack() as stack:
        for name, replica in zip(names, replicas, strict=True):
            await stack.enter_async_context(replica.serve(Address(path=f"{tmp_path / name}.sock")))
        channel = await stack.enter_async_context(gateway_before(tmp_path, browser_address=sockets(tmp_path, *names)))
        stub = BrowserServiceStub(channel)

        async def run(lease_id: str) -> pb.RunCommandResponse:
            return await stub.RunCommand(command(lease_id, text="\N{SNOWMAN}" * 60_000), timeout=LIMIT)

        await asyncio.gather(*(run(f"lease_{number % 5}") for number in range(50)))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await run("lease_of_nobody")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        assert all("lease_of_nobody" in replica.asked for replica in replicas)
        assert "x-meshwright-elsewhere" not in dict(caught.value.trailing_metadata() or ())


async def test_a_call_that_reaches_a_replica_that_stops_is_made_by_another(tmp_path: Path) -> None:
    """Until the next health check a stopping replica gets new calls; it refuses them without having done anything."""
    first, second = leases("a"), leases("a")
    async with (
        first.serve(Address(path=f"{tmp_path}/first.sock")) as stopping,
        second.serve(Address(path=f"{tmp_path}/second.sock")),
        gateway_before(tmp_path, browser_address=sockets(tmp_path, "first", "second")) as channel,
    ):
        stub = BrowserServiceStub(channel)
        await stub.GetPool(pb.GetPoolRequest(), timeout=LIMIT)
        stopping._boundary.refuse_new_calls()  # as it does when told to stop, without the rest
        for _ in range(20):
            await stub.RunCommand(command("a"), timeout=LIMIT)
        assert not first.asked


class Busy(BrowserServiceServicer):
    """Sends callers on, and keeps those that come for the fourth time waiting until it is told to serve them."""

    def __init__(self) -> None:
        self.waiting = 0
        self.serve_them = asyncio.Event()

    async def AcquireLease(self, request: pb.AcquireLeaseRequest, context: Any) -> pb.AcquireLeaseResponse:  # noqa: N802
        await self._serve(context)
        return pb.AcquireLeaseResponse()

    async def Drive(  # noqa: N802
        self, request_iterator: AsyncIterator[pb.DriveRequest], context: Any
    ) -> AsyncIterator[pb.DriveResponse]:
        await anext(request_iterator)
        await self._serve(context)
        yield pb.DriveResponse()

    async def _serve(self, context: Any) -> None:
        if attempt_of(context.invocation_metadata()) < 4:
            raise failures.no_browser(1, 1, 1.0, elsewhere=True)
        self.waiting += 1
        await self.serve_them.wait()

    @contextlib.asynccontextmanager
    async def open(self, _readiness: Readiness) -> AsyncIterator[Busy]:
        yield self

    def serve(self, address: Address) -> Server[Busy]:
        service = Service("meshwright.v1.BrowserService", add_BrowserServiceServicer_to_server, self.open)
        return Server(service, ServerSettings(listen=address, stop_grace=0.1))


async def test_any_number_of_callers_may_wait_for_a_lease_after_they_were_sent_on_with_all_that_they_sent(
    tmp_path: Path,
) -> None:
    """Envoy counts them as tries for as long as they wait, and keeps what they sent."""
    busy = [Busy(), Busy()]  # type: ignore[abstract]  # the rest is not implemented
    async with (
        busy[0].serve(Address(path=f"{tmp_path}/first.sock")),
        busy[1].serve(Address(path=f"{tmp_path}/second.sock")),
        gateway_before(tmp_path, browser_address=sockets(tmp_path, "first", "second")) as channel,
    ):
        stub = BrowserServiceStub(channel)
        large = pb.AcquireLeaseRequest(spec=LeaseSpec(storage_state=b" " * MIB))
        acquiring = [asyncio.ensure_future(stub.AcquireLease(large, timeout=LIMIT)) for _ in range(3)]
        start = pb.DriveRequest(command_id="c1", start=LeaseSpec(storage_state=b" " * MIB))
        streams = [stub.Drive(timeout=LIMIT) for _ in range(3)]
        for stream in streams:
            await stream.write(start)
        acquiring += [
            asyncio.ensure_future(stub.AcquireLease(pb.AcquireLeaseRequest(), timeout=LIMIT)) for _ in range(150)
        ]
        await eventually(lambda: sum(each.waiting for each in busy) == 156)
        for each in busy:
            each.serve_them.set()
        await asyncio.gather(*acquiring)
        assert [await stream.read() for stream in streams] == [pb.DriveResponse()] * 3


@pytest.mark.parametrize(("browsers", "told"), [(("first",), None), (("first", "second"), "1")], ids=["one", "several"])
async def test_only_a_gateway_before_several_browsers_says_how_often_a_caller_has_asked(
    tmp_path: Path, browsers: tuple[str, ...], told: str | None
) -> None:
    async with (
        agents(tmp_path, *browsers) as servers,
        gateway_before(tmp_path, browser_address=sockets(tmp_path, *browsers)) as channel,
    ):
        ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
            "/meshwright.v1.BrowserService/GetPool"
        )
        await ask(b"", timeout=LIMIT, metadata=((ATTEMPT_KEY, "50"),))
        (asked,) = [metadata for server in servers.values() for metadata in server.metadata]
        assert asked.get(ATTEMPT_KEY) == told
