"""Leases without a stream: acquire, run, renew, release, and their time to live."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration

from meshwright.browser import held_leases
from meshwright.serving.errors import MeshError
from meshwright.v1 import browser_pb2 as pb
from meshwright.v1 import browser_service_pb2 as service_pb
from tests.support.browser_client import BrowserClient, Site, browser_client, fails

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[BrowserClient]:
    async with browser_client(browser_capacity=2) as (client, _server):
        yield client


async def call(method: Any, request: Any) -> Any:
    try:
        return await method(request)
    except grpc.aio.AioRpcError as error:
        raise MeshError.from_rpc_error(error) from None


async def acquire(browser: BrowserClient, **request: Any) -> pb.Lease:
    lease: pb.Lease = (await call(browser.stub.AcquireLease, service_pb.AcquireLeaseRequest(**request))).lease
    return lease


async def run(browser: BrowserClient, lease_id: str, **action: Any) -> pb.BrowserResult:
    request = service_pb.RunCommandRequest(lease_id=lease_id, command=pb.BrowserCommand(**action))
    result: pb.BrowserResult = (await call(browser.stub.RunCommand, request)).result
    return result


async def release(browser: BrowserClient, lease_id: str) -> None:
    await call(browser.stub.ReleaseLease, service_pb.ReleaseLeaseRequest(lease_id=lease_id))


async def test_runs_commands_until_it_is_released(browser: BrowserClient, site: Site) -> None:
    url = site.page("/unary", "<button onclick='document.title = 1'>Go</button>", title="Unary")
    lease = await acquire(browser)
    assert lease.warm
    assert (await run(browser, lease.lease_id, navigate=pb.Navigate(url=url))).tab.title == "Unary"
    text = (await run(browser, lease.lease_id, snapshot=pb.Snapshot())).snapshot.text
    element = pb.Element(ref=text.split('"Go" [ref=')[1].split("]")[0], snapshot_id="s1")
    assert (await run(browser, lease.lease_id, click=pb.Click(element=element))).tab.title == "1"
    bad = await fails(run(browser, lease.lease_id, navigate=pb.Navigate(url="file:///etc/passwd")))
    assert bad.reason_name == "INVALID_URL"
    for _ in range(2):
        await release(browser, lease.lease_id)
    gone = await fails(run(browser, lease.lease_id, snapshot=pb.Snapshot()))
    assert (gone.reason_name, gone.metadata) == ("LEASE_NOT_FOUND", {"lease_id": lease.lease_id})
    await browser.pool_when(lambda pool: pool.leased == 0)


async def test_the_same_request_gets_the_same_lease(browser: BrowserClient) -> None:
    one, two = await asyncio.gather(*(acquire(browser, request_id="r1") for _ in range(2)))
    assert one.lease_id == two.lease_id
    other = await fails(acquire(browser, request_id="r1", ttl=Duration(seconds=90)))
    assert (other.reason_name, other.metadata) == ("REQUEST_ID_REUSED", {"request_id": "r1"})
    assert (await browser.pool()).leased == 1
    await release(browser, one.lease_id)
    assert (await acquire(browser, request_id="r1")).lease_id == one.lease_id
    assert (await browser.pool_when(lambda pool: pool.leased == 0)).leased == 0


async def test_a_request_that_failed_may_be_repeated(browser: BrowserClient) -> None:
    held = [await acquire(browser) for _ in range(2)]
    wait = pb.LeaseSpec(wait=Duration(nanos=50_000_000))
    error = await fails(acquire(browser, request_id="r2", spec=wait))
    assert error.reason_name == "NO_BROWSER_AVAILABLE"
    for lease in held:
        await release(browser, lease.lease_id)
    await browser.pool_when(lambda pool: pool.warm == 2)
    again = await acquire(browser, request_id="r2", spec=wait)
    await release(browser, again.lease_id)


async def test_an_unused_lease_ends_and_a_used_or_renewed_one_does_not(
    browser: BrowserClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_leases, "TTL_SECONDS", 2.0)
    unused, used = await acquire(browser), await acquire(browser)
    waiting = pb.Wait(duration=Duration(seconds=2, nanos=400_000_000))
    renewed = await call(
        browser.stub.RenewLease, service_pb.RenewLeaseRequest(lease_id=unused.lease_id, ttl=Duration(seconds=90))
    )
    assert renewed.lease.lease_id == unused.lease_id
    assert 85 < renewed.ttl_expire_time.ToSeconds() - renewed.lease.expire_time.ToSeconds() + 3600 < 95
    await run(browser, used.lease_id, wait=waiting)
    await run(browser, used.lease_id, list_tabs=pb.ListTabs())
    pool = await browser.pool_when(lambda pool: pool.leased == 1)
    await run(browser, unused.lease_id, list_tabs=pb.ListTabs())
    assert (await fails(run(browser, used.lease_id, list_tabs=pb.ListTabs()))).reason_name == "LEASE_NOT_FOUND"
    await release(browser, unused.lease_id)
    assert pool.capacity == 2


async def test_a_caller_that_leaves_takes_its_command_along(browser: BrowserClient) -> None:
    lease = await acquire(browser)
    leaving = browser.stub.RunCommand(
        service_pb.RunCommandRequest(lease_id=lease.lease_id, command=pb.BrowserCommand(wait=pb.Wait(text="never"))),
        timeout=0.2,
    )
    with pytest.raises(grpc.aio.AioRpcError):
        await leaving
    assert (await run(browser, lease.lease_id, snapshot=pb.Snapshot())).snapshot.snapshot_id == "s1"
    await release(browser, lease.lease_id)


@pytest.mark.parametrize("method", ["RunCommand", "RenewLease"])
async def test_a_lease_that_never_was_is_not_found(browser: BrowserClient, method: str) -> None:
    request: Any = (
        service_pb.RunCommandRequest(lease_id="lea_1", command=pb.BrowserCommand(list_tabs=pb.ListTabs()))
        if method == "RunCommand"
        else service_pb.RenewLeaseRequest(lease_id="lea_1")
    )
    error = await fails(call(getattr(browser.stub, method), request))
    assert (error.reason_name, error.metadata) == ("LEASE_NOT_FOUND", {"lease_id": "lea_1"})
    await release(browser, "lea_1")


async def test_what_is_not_built_yet_says_so(browser: BrowserClient) -> None:
    for method, request in (
        ("TakeControl", service_pb.TakeControlRequest(lease_id="lea_1", request_id="r")),
        ("CedeControl", service_pb.CedeControlRequest(lease_id="lea_1", control_epoch=1)),
        ("SendInput", service_pb.SendInputRequest(lease_id="lea_1", control_epoch=1, inputs=[pb.InputEvent(text="x")])),
    ):
        error = await fails(call(getattr(browser.stub, method), request))
        assert error.reason_name == "NOT_IMPLEMENTED"
        assert error.metadata == {"method": f"/meshwright.v1.BrowserService/{method}"}
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        async for _frame in browser.stub.WatchLease(service_pb.WatchLeaseRequest(lease_id="lea_1")):
            pass
    assert MeshError.from_rpc_error(raised.value).reason_name == "NOT_IMPLEMENTED"
