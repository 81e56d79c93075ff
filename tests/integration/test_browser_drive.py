"""The Drive stream: its protocol, the order of commands, deadlines, and giving the browser back."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from aiohttp import web
from google.protobuf.duration_pb2 import Duration

from meshwright.v1 import browser_pb2 as pb
from meshwright.v1.browser_service_pb2 import DriveRequest
from meshwright.v1.stream_pb2 import Close
from tests.support.browser_client import PATIENCE, BrowserClient, Driving, Site, browser_client, fails

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from meshwright.v1.browser_service_pb2 import Pool

pytestmark = pytest.mark.asyncio(loop_scope="module")

SPIN = "<script>setTimeout(() => { console.log('spinning'); while (true); }, 250)</script>"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[BrowserClient]:
    async with browser_client(browser_capacity=3, browser_queue=2) as (client, _server):
        yield client


def nothing_leased(pool: Pool) -> bool:
    return pool.leased == 0


async def test_a_lease_says_what_it_is(browser: BrowserClient) -> None:
    await browser.pool_when(lambda pool: pool.warm == 2)
    async with browser.drive() as driving:
        lease = driving.lease
        assert lease.lease_id.startswith("lea_")
        assert (lease.tab_id, lease.profile, lease.warm) == ("t1", "default", True)
        assert (lease.viewport.width, lease.viewport.height) == (1280, 800)
        assert 3500 < lease.expire_time.ToSeconds() - time.time() < 3700
        assert lease.browser_version.count(".") == 3
        assert (lease.control.holder, lease.control.epoch) == (pb.CONTROL_HOLDER_AGENT, 1)
        assert (await browser.pool()).leased == 1
    await browser.pool_when(nothing_leased)


async def test_a_whole_script_may_be_sent_at_once(browser: BrowserClient, site: Site) -> None:
    url = site.page("/script", "<h1>Script</h1>")
    call = browser.stub.Drive()
    for request in (
        DriveRequest(command_id="1", start=pb.LeaseSpec()),
        DriveRequest(command_id="2", run=pb.BrowserCommand(navigate=pb.Navigate(url=url))),
        DriveRequest(command_id="3", run=pb.BrowserCommand(screenshot=pb.Screenshot())),
        DriveRequest(command_id="4", close=Close()),
    ):
        await call.write(request)
    frames = [frame async for frame in call]
    assert frames[0].WhichOneof("frame") == "leased"
    results = [frame.result for frame in frames if frame.WhichOneof("frame") == "result"]
    assert [result.command_id for result in results] == ["2", "3"]
    assert results[1].result.capture.data


@pytest.mark.parametrize(
    ("requests", "expected"),
    [
        ([], "start"),
        ([DriveRequest(command_id="1", close=Close())], "start"),
        ([DriveRequest(command_id="1", run=pb.BrowserCommand(list_tabs=pb.ListTabs()))], "start"),
        ([DriveRequest(command_id=c, start=pb.LeaseSpec()) for c in "12"], "run, cancel or close"),
        ([DriveRequest(command_id="1", start=pb.LeaseSpec())], "close"),
    ],
)
async def test_commands_in_a_wrong_order_end_the_stream(
    browser: BrowserClient, requests: list[DriveRequest], expected: str
) -> None:
    driving = Driving(browser.stub)
    for request in requests:
        await driving.call.write(request)
    await driving.call.done_writing()
    error = await fails(driving._read())
    assert (error.reason_name, error.metadata) == ("STREAM_PROTOCOL", {"expected": expected})
    await browser.pool_when(nothing_leased)


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (pb.LeaseSpec(profile="mobile"), "start.profile"),
        (pb.LeaseSpec(egress_policy="open"), "start.egress_policy"),
        (pb.LeaseSpec(viewport=pb.Viewport(width=100, height=400)), "start.viewport.width"),
        (pb.LeaseSpec(storage_state=b"{"), "start.storage_state"),
        (pb.LeaseSpec(storage_state=b"[]"), "start.storage_state"),
        (pb.LeaseSpec(storage_state=b'{"cookies": [{"name": "a"}], "origins": []}'), "start.storage_state"),
        (pb.LeaseSpec(limits=pb.LeaseLimits(max_tabs=99)), "start.limits.max_tabs"),
        (pb.LeaseSpec(wait=Duration(seconds=61)), "start.wait"),
    ],
)
async def test_a_lease_that_cannot_be_had_names_the_field(
    browser: BrowserClient, spec: pb.LeaseSpec, field: str
) -> None:
    driving = Driving(browser.stub)
    error = await fails(driving.start(spec))
    assert (error.reason_name, [violation.field for violation in error.violations]) == ("INVALID_FIELDS", [field])
    await browser.pool_when(nothing_leased)


async def test_a_command_that_breaks_the_contract_ends_the_stream(browser: BrowserClient) -> None:
    driving = Driving(browser.stub)
    await driving.start()
    await driving.send(click=pb.Click(element=pb.Element(ref="e1"), count=9))
    error = await fails(driving.ended)
    assert [violation.field for violation in error.violations] == ["run.click.count"]
    await browser.pool_when(nothing_leased)


async def test_commands_on_one_tab_run_in_order_and_on_two_at_once(browser: BrowserClient, site: Site) -> None:
    together = asyncio.Barrier(2)

    async def meet(_request: web.Request) -> web.StreamResponse:
        async with asyncio.timeout(30):
            await together.wait()
        return web.Response(text="<title>Met</title>", content_type="text/html")

    site.pages["/meet-1"] = site.pages["/meet-2"] = meet
    after = site.page("/after", "<h1>After</h1>", title="After")
    async with browser.drive() as driving:
        opened = await driving.send(open_tab=pb.OpenTab())
        one = await driving.send("t1", navigate=pb.Navigate(url=site.url + "/meet-1"))
        two = await driving.send("t2", navigate=pb.Navigate(url=site.url + "/meet-2"))
        second = await driving.send("t1", navigate=pb.Navigate(url=after))
        listed = await driving.send("t1", snapshot=pb.Snapshot())
        assert (await opened).tab.tab_id == "t2"
        assert [(await each).tab.url for each in (one, two)] == [f"{site.url}/meet-{n}" for n in (1, 2)]
        assert (await second).tab.url == after
        assert "After" in (await listed).snapshot.text


async def test_tabs_are_pictured_at_once(browser: BrowserClient, site: Site) -> None:
    colours = ("red", "blue", "lime")
    async with browser.drive() as driving:
        for tab, colour in zip(("t1", "t2", "t3"), colours, strict=True):
            url = site.page(f"/{colour}", f"<body style='background:{colour}'>")
            if tab == "t1":
                await driving.goto(url)
            else:
                await driving.run(open_tab=pb.OpenTab(url=url))
        for _ in range(3):
            shots = [await driving.send(tab, screenshot=pb.Screenshot()) for tab in ("t1", "t2", "t3")]
            pictures = [(await shot).capture.data for shot in shots]
            assert len(set(pictures)) == 3


async def test_an_empty_tab_id_means_the_tab_used_last(browser: BrowserClient, site: Site) -> None:
    url = site.page("/tab", "<h1>Tab</h1>")
    async with browser.drive() as driving:
        await driving.send(open_tab=pb.OpenTab())
        assert (await driving.goto(url)).tab.tab_id == "t2"
        assert (await driving.goto(url, "t1")).tab.tab_id == "t1"
        assert (await driving.run(snapshot=pb.Snapshot())).tab.tab_id == "t1"
        tabs = (await driving.run(list_tabs=pb.ListTabs())).tabs.tabs
        assert [(tab.tab_id, tab.url) for tab in tabs] == [("t1", url), ("t2", url)]
        assert (await fails(driving.goto(url, "t9"))).metadata == {"tab_id": "t9"}


async def test_tabs_close_up_to_the_last_which_stays_blank(browser: BrowserClient, site: Site) -> None:
    url = site.page("/closing", "<h1>Closing</h1>")
    async with browser.drive() as driving:
        await driving.goto(url)
        await driving.run(open_tab=pb.OpenTab(url=url))
        await driving.run("t2", close_tab=pb.CloseTab())
        error = await fails(driving.goto(url, "t2"))
        assert (error.reason_name, error.metadata) == ("TAB_NOT_FOUND", {"tab_id": "t2"})
        last = await driving.run(close_tab=pb.CloseTab())
        assert (last.tab.tab_id, last.tab.url) == ("t1", "about:blank")
        assert (await driving.goto(url)).navigation.http_status == 200


async def test_a_lease_has_no_more_tabs_than_its_limit(browser: BrowserClient) -> None:
    async with browser.drive(limits=pb.LeaseLimits(max_tabs=2)) as driving:
        await driving.run(open_tab=pb.OpenTab())
        error = await fails(driving.run(open_tab=pb.OpenTab()))
        assert (error.reason_name, error.metadata) == ("QUOTA_EXCEEDED", {"quota": "tabs", "limit": "2"})
        await driving.run("t2", close_tab=pb.CloseTab())
        assert (await driving.run(open_tab=pb.OpenTab())).tab.tab_id == "t3"


async def test_a_tab_whose_address_does_not_load_does_not_stay(browser: BrowserClient) -> None:
    async with browser.drive() as driving:
        error = await fails(driving.run(open_tab=pb.OpenTab(url="http://nowhere.invalid/")))
        assert error.reason_name == "NAVIGATION_FAILED"
        assert len((await driving.run(list_tabs=pb.ListTabs())).tabs.tabs) == 1
        assert (await driving.run(snapshot=pb.Snapshot())).tab.tab_id == "t1"


async def test_a_cancelled_command_ends_as_such_and_the_next_runs(browser: BrowserClient, site: Site) -> None:
    await_page = site.page("/cancel", "<p>x</p>")
    async with browser.drive() as driving:
        await driving.goto(await_page)
        waiting = await driving.send(command_id="w", wait=pb.Wait(text="never"))
        queued = await driving.send(snapshot=pb.Snapshot())
        await driving.cancel("w")
        error = await fails(waiting)
        assert (error.reason_name, error.code.name) == ("TOOL_CANCELLED", "CANCELLED")
        assert (await queued).snapshot.snapshot_id == "s1"
        await driving.cancel("never-was")


async def test_a_command_id_in_use_is_refused_and_the_stream_goes_on(browser: BrowserClient) -> None:
    async with browser.drive() as driving:
        first = await driving.send(command_id="same", wait=pb.Wait(text="never"))
        second = await driving.send(command_id="same", list_tabs=pb.ListTabs())
        assert (await fails(second)).reason_name == "COMMAND_ID_IN_USE"
        driving._results["same"] = first
        await driving.cancel("same")
        assert (await fails(first)).reason_name == "TOOL_CANCELLED"


async def test_a_spinning_page_costs_its_deadline_and_nobody_else(browser: BrowserClient, site: Site) -> None:
    url, other_url = site.page("/spin", SPIN), site.page("/calm", "<h1>Calm</h1>", title="Calm")
    async with browser.drive() as driving, browser.drive() as other:
        await driving.goto(url)
        await driving.event("console")
        started = time.monotonic()
        stuck = [
            await driving.send(timeout=0.5, snapshot=pb.Snapshot()),
            await driving.send(timeout=0.5, screenshot=pb.Screenshot()),
        ]
        assert (await other.goto(other_url)).tab.title == "Calm"
        assert "Calm" in (await other.snapshot()).text
        for each in stuck:
            assert (await fails(each)).reason_name == "DEADLINE_EXCEEDED"
        assert time.monotonic() - started < PATIENCE / 2
        assert (await driving.run(open_tab=pb.OpenTab(url=other_url))).tab.title == "Calm"
        await driving.run("t1", close_tab=pb.CloseTab())
        assert len((await driving.run(list_tabs=pb.ListTabs())).tabs.tabs) == 1
    await browser.pool_when(lambda pool: nothing_leased(pool) and pool.warm == 2)
    assert (await browser.pool()).crashes == 0


async def test_a_lease_that_ends_in_the_middle_of_a_reload_is_given_back(browser: BrowserClient, site: Site) -> None:
    """Closing a page then may hang for ever; see docs/browser.md."""
    url = site.page("/reload", "<h1>Reload</h1>")
    for _ in range(5):
        async with browser.drive() as driving:
            await driving.goto(url)
            await driving.send(history=pb.History(move=pb.HISTORY_MOVE_RELOAD))
            await driving.send(history=pb.History(move=pb.HISTORY_MOVE_RELOAD))
        async with browser.drive() as driving:
            await driving.goto(url)
            await driving.run(open_tab=pb.OpenTab(url=url))
            await driving.run(history=pb.History(move=pb.HISTORY_MOVE_RELOAD))
            await driving.run(close_tab=pb.CloseTab())
    pool = await browser.pool_when(lambda pool: nothing_leased(pool) and pool.warm == 2)
    assert pool.crashes == 0


async def test_a_client_that_vanishes_gives_its_browser_back_at_once(browser: BrowserClient, site: Site) -> None:
    url = site.page("/vanish", SPIN)
    for _ in range(3):
        driving = Driving(browser.stub)
        await driving.start()
        await driving.goto(url)
        await driving.send(wait=pb.Wait(text="never"))
        assert (await browser.pool()).leased == 1
        driving.call.cancel()
        started = time.monotonic()
        await browser.pool_when(nothing_leased)
        assert time.monotonic() - started < PATIENCE / 4


async def test_a_client_that_vanishes_from_the_queue_leaves_it(browser: BrowserClient) -> None:
    async with browser.drive(), browser.drive(), browser.drive():
        waiting = Driving(browser.stub)
        starting = asyncio.create_task(waiting.start())
        await browser.pool_when(lambda pool: pool.queued == 1)
        waiting.call.cancel()
        await browser.pool_when(lambda pool: pool.queued == 0)
        starting.cancel()
    pool = await browser.pool_when(nothing_leased)
    assert pool.queued == 0


async def test_a_full_pool_makes_wait_in_order_and_refuses_beyond_the_queue(browser: BrowserClient) -> None:
    served: list[int] = []

    async def lease(number: int) -> None:
        async with browser.drive(wait=Duration(seconds=10)):
            served.append(number)

    async with browser.drive(), browser.drive():
        async with browser.drive():
            too_late = await fails(Driving(browser.stub).start(pb.LeaseSpec(wait=Duration(nanos=100_000_000))))
            assert too_late.reason_name == "NO_BROWSER_AVAILABLE"
            assert too_late.metadata == {"capacity": "3", "queued": "0"}
            assert too_late.retry_after is not None
            first = asyncio.create_task(lease(1))
            await browser.pool_when(lambda pool: pool.queued == 1)
            second = asyncio.create_task(lease(2))
            await browser.pool_when(lambda pool: pool.queued == 2)
            refused = await fails(Driving(browser.stub).start(pb.LeaseSpec(wait=Duration(seconds=10))))
            assert refused.metadata == {"capacity": "3", "queued": "2"}
        await asyncio.gather(first, second)
    assert served == [1, 2]


@pytest.mark.parametrize("limit", ["idle_timeout", "max_duration"])
async def test_a_lease_ends_at_its_limits(browser: BrowserClient, limit: str) -> None:
    limits = pb.LeaseLimits()
    getattr(limits, limit).seconds = 1
    driving = Driving(browser.stub)
    await driving.start(pb.LeaseSpec(limits=limits))
    started = time.monotonic()
    busy = await driving.send(wait=pb.Wait(duration=Duration(seconds=1, nanos=300_000_000)))
    error = await fails(driving.ended)
    assert (error.reason_name, error.metadata["limit"]) == ("LEASE_NOT_FOUND", limit)
    if limit == "idle_timeout":
        await busy
        assert time.monotonic() - started > 2.2
    else:
        assert (await fails(busy)).reason_name == "LEASE_NOT_FOUND"
    await browser.pool_when(nothing_leased)


async def test_evaluating_is_off_unless_the_operator_allows_it(browser: BrowserClient) -> None:
    async with browser.drive() as driving:
        error = await fails(driving.run(evaluate=pb.Evaluate(script="1")))
        assert (error.reason_name, error.code.name) == ("EVALUATE_DISABLED", "PERMISSION_DENIED")
        assert error.metadata == {"setting": "MESHWRIGHT_BROWSER_EVALUATE"}
