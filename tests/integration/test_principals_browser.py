"""What is one principal's at BrowserService is nobody else's: a table over every RPC, and how many browsers a principal may have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from meshwright.browser.service import browser_service
from meshwright.browser.settings import BrowserSettings
from meshwright.serving.channel import open_channel
from meshwright.serving.errors import MeshError, Quota
from meshwright.serving.server import Server
from meshwright.v1 import browser_pb2
from meshwright.v1 import browser_service_pb2 as pb
from meshwright.v1.browser_service_pb2_grpc import BrowserServiceStub
from tests.support.browser_client import BrowserClient, fails
from tests.support.principals import As, answer, reason_of
from tests.support.token_issuer import authentication

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIST = browser_pb2.BrowserCommand(list_tabs=browser_pb2.ListTabs())
QUOTA = 2


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Any]:
    """Without a token."""
    given = authentication(tmp_path_factory.mktemp("authentication"))
    async with browser_server(quota_leases=QUOTA, browser_capacity=3, browser_queue=4, **given) as running:
        yield running


@asynccontextmanager
async def browser_server(**given: Any) -> AsyncIterator[Any]:
    loaded = BrowserSettings.load(listen="127.0.0.1:0", browser_warm=1, stop_grace=0.5, **given)
    async with Server(browser_service(loaded), loaded) as server, open_channel(server.address) as channel:
        yield BrowserServiceStub(channel)


@asynccontextmanager
async def leased(stub: Any, principal: str, **request: Any) -> AsyncIterator[str]:
    """A lease of the principal's for the block."""
    owner = As(stub, principal)
    [granted] = await answer(owner.AcquireLease(pb.AcquireLeaseRequest(**request)))
    try:
        yield granted.lease.lease_id
    finally:
        await owner.ReleaseLease(pb.ReleaseLeaseRequest(lease_id=granted.lease.lease_id))


ON_A_LEASE: dict[str, Callable[[Any, str], Any]] = {
    "RunCommand": lambda stub, lease_id: stub.RunCommand(pb.RunCommandRequest(lease_id=lease_id, command=LIST)),
    "RenewLease": lambda stub, lease_id: stub.RenewLease(pb.RenewLeaseRequest(lease_id=lease_id)),
    "ReleaseLease": lambda stub, lease_id: stub.ReleaseLease(pb.ReleaseLeaseRequest(lease_id=lease_id)),
    "WatchLease": lambda stub, lease_id: stub.WatchLease(pb.WatchLeaseRequest(lease_id=lease_id)),
    "TakeControl": lambda stub, lease_id: stub.TakeControl(pb.TakeControlRequest(lease_id=lease_id)),
    "CedeControl": lambda stub, lease_id: stub.CedeControl(pb.CedeControlRequest(lease_id=lease_id)),
    "SendInput": lambda stub, lease_id: stub.SendInput(pb.SendInputRequest(lease_id=lease_id)),
}
OTHERS: dict[str, Callable[[Any], Any]] = {
    "Drive": lambda stub: stub.Drive(iter([pb.DriveRequest(command_id="s", start=browser_pb2.LeaseSpec())])),
    "AcquireLease": lambda stub: stub.AcquireLease(pb.AcquireLeaseRequest()),
    "GetPool": lambda stub: stub.GetPool(pb.GetPoolRequest()),
}


async def test_no_rpc_is_for_callers_without_a_token(stub: Any) -> None:
    assert set(ON_A_LEASE) | set(OTHERS) == set(pb.DESCRIPTOR.services_by_name["BrowserService"].methods_by_name)
    for call in OTHERS.values():
        assert await reason_of(call(stub)) == "UNAUTHENTICATED"
    for on_lease in ON_A_LEASE.values():
        assert await reason_of(on_lease(stub, "lea_1")) == "UNAUTHENTICATED"


@pytest.mark.parametrize("rpc", ON_A_LEASE)
async def test_anothers_lease_is_not_there(stub: Any, rpc: str) -> None:
    async with leased(stub, "alice") as lease_id:
        bob, alice = As(stub, "bob"), As(stub, "alice")
        told = [await outcome(ON_A_LEASE[rpc](bob, some)) for some in (lease_id, "lea_nobodys")]
        # Nothing tells a lease of another from one that there never was.
        assert told[0] == told[1]
        assert told[0] in ("OK" if rpc == "ReleaseLease" else "LEASE_NOT_FOUND", "NOT_IMPLEMENTED", "INVALID_FIELDS")
        await answer(alice.RunCommand(pb.RunCommandRequest(lease_id=lease_id, command=LIST)))


async def outcome(call: Any) -> str:
    try:
        await answer(call)
    except MeshError as error:
        return error.reason_name
    return "OK"


async def test_a_request_id_is_its_principals_own(stub: Any) -> None:
    async with leased(stub, "alice", request_id="r1") as hers, leased(stub, "bob", request_id="r1") as his:
        assert hers != his
        [again] = await answer(As(stub, "alice").AcquireLease(pb.AcquireLeaseRequest(request_id="r1")))
        assert again.lease.lease_id == hers


async def test_a_principal_has_so_many_browsers_and_no_more(stub: Any) -> None:
    drive = BrowserClient(As(stub, "alice"))  # type: ignore[arg-type]  # a stub that shows a token
    async with leased(stub, "alice"), drive.drive():
        for call in (As(stub, "alice").AcquireLease(pb.AcquireLeaseRequest()), OTHERS["Drive"](As(stub, "alice"))):
            error = await fails(answer(call))
            assert (error.reason_name, error.code.name) == ("QUOTA_EXCEEDED", "RESOURCE_EXHAUSTED")
            assert error.quota == Quota("leases", QUOTA, "principal:alice")
            assert error.metadata == {"quota": "leases", "limit": str(QUOTA)}
            assert error.retry_after
        async with leased(stub, "bob"):
            pass
    async with leased(stub, "alice"), drive.drive():
        pass


async def test_waiting_for_a_browser_counts_and_giving_up_gives_back(stub: Any) -> None:
    alice = As(stub, "alice")
    async with leased(stub, "bob"), leased(stub, "bob"), leased(stub, "carol"):
        waiting = [asyncio.ensure_future(alice.AcquireLease(pb.AcquireLeaseRequest())) for _ in range(QUOTA)]
        watched = BrowserClient(As(stub, "dave"))  # type: ignore[arg-type]  # a stub that shows a token
        await watched.pool_when(lambda pool: pool.queued == QUOTA)
        assert await reason_of(alice.AcquireLease(pb.AcquireLeaseRequest())) == "QUOTA_EXCEEDED"
        for call in waiting:
            call.cancel()
        await asyncio.wait(waiting)
        await watched.pool_when(lambda pool: not pool.queued)
    async with leased(stub, "alice"), leased(stub, "alice"):
        pass
