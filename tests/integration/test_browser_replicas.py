"""Callers who want a browser of one of several browser services: none waits at a full one while another has room."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.support.browser_client import fails
from tests.support.browser_replicas import CAPACITY, LIMIT, WAYS, Held, Replicas, browser_replicas, drive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from meshwright.v1 import browser_service_pb2 as pb

pytestmark = pytest.mark.asyncio(loop_scope="module")

AT_ONCE = 15.0
"""Far less than the callers would wait, and far more than it takes."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def two(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Replicas]:
    async with browser_replicas(tmp_path_factory.mktemp("two"), running=2, known=2) as replicas:
        yield replicas


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def growing(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Replicas]:
    async with browser_replicas(tmp_path_factory.mktemp("growing"), running=1, known=2) as replicas:
        yield replicas


async def give_back(*held: Held) -> None:
    await asyncio.gather(*(each.give_back() for each in held))


def all_wait(callers: int, pools: list[pb.Pool]) -> bool:
    return sum(pool.queued for pool in pools) == callers


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("full", [0, 1])
async def test_where_one_is_full_and_another_free_everybody_is_served_at_once(
    two: Replicas, way: str, full: int
) -> None:
    held = await two.each[full].fill()
    begun = time.monotonic()
    async with asyncio.timeout(LIMIT):
        got = await asyncio.gather(*(two.lease(way, wait=60.0) for _ in range(CAPACITY)))
    assert time.monotonic() - begun < AT_ONCE
    assert [(pool.leased, pool.queued) for pool in await two.pools()] == [(CAPACITY, 0)] * 2
    await give_back(*held, *got)
    await two.rested()


@pytest.mark.parametrize("way", WAYS)
async def test_a_browser_that_is_given_back_goes_to_one_who_waits_wherever_it_is(two: Replicas, way: str) -> None:
    held = [await replica.fill() for replica in two.each]
    waiting = [asyncio.create_task(two.lease(way, wait=60.0)) for _ in range(CAPACITY)]
    await two.until(lambda pools: all_wait(CAPACITY, pools))
    await give_back(*held[1])
    begun = time.monotonic()
    async with asyncio.timeout(LIMIT):
        got = await asyncio.gather(*waiting)
    assert time.monotonic() - begun < AT_ONCE
    assert all(each.lease.wait_duration.ToMilliseconds() for each in got)
    await give_back(*held[0], *got)
    await two.rested()


@pytest.mark.parametrize("way", WAYS)
async def test_who_waits_is_counted_somewhere_most_of_the_time(two: Replicas, way: str) -> None:
    """Or a scaler would think that nobody does."""
    held = [each for replica in two.each for each in await replica.fill()]
    waiting = [asyncio.create_task(two.lease(way, wait=60.0)) for _ in range(5)]
    await two.until(lambda pools: all_wait(5, pools))
    begun = time.monotonic()
    seen = []
    while time.monotonic() - begun < 1.0:
        seen.append(sum(pool.queued for pool in await two.pools()))
        await asyncio.sleep(0.01)
    assert sum(seen) / len(seen) > 0.5 * 5
    await give_back(*held)
    await give_back(*await asyncio.gather(*waiting))
    await two.rested()


@pytest.mark.parametrize("way", WAYS)
async def test_where_all_are_full_a_caller_waits_as_long_as_it_said(two: Replicas, way: str) -> None:
    held = [each for replica in two.each for each in await replica.fill()]
    begun = time.monotonic()
    error = await fails(two.lease(way, wait=1.0))
    took = time.monotonic() - begun
    assert error.reason_name == "NO_BROWSER_AVAILABLE"
    assert error.retry_after is not None
    assert 1.0 <= took < 1.0 + AT_ONCE
    await give_back(*held)
    await two.rested()


@pytest.mark.parametrize("way", ["tools", "Drive"])
async def test_who_leaves_while_it_is_sent_on_leaves_nothing_behind(two: Replicas, way: str) -> None:
    """An AcquireLease with a request id goes on without its caller, who may come back."""
    before = sum(pool.granted for pool in await two.pools())
    held = [each for replica in two.each for each in await replica.fill()]
    for number in range(12):
        leaving = asyncio.create_task(two.lease(way, wait=60.0))
        await asyncio.sleep(0.007 * number)
        leaving.cancel()
        await asyncio.wait({leaving})
    await two.until(lambda pools: [(pool.leased, pool.queued) for pool in pools] == [(CAPACITY, 0)] * 2)
    await give_back(*held)
    await two.rested()
    assert sum(pool.granted for pool in await two.pools()) - before == 2 * CAPACITY


@pytest.mark.parametrize("way", WAYS)
async def test_a_replica_that_is_added_takes_those_who_wait(growing: Replicas, way: str) -> None:
    first, added = growing.each
    held = await first.fill()
    waiting = [asyncio.create_task(growing.lease(way, wait=60.0)) for _ in range(CAPACITY)]
    await growing.until(lambda pools: all_wait(CAPACITY, pools))
    async with added.running():
        begun = time.monotonic()
        async with asyncio.timeout(LIMIT):
            got = await asyncio.gather(*waiting)
        assert time.monotonic() - begun < AT_ONCE
        await give_back(*held, *got)
        await growing.rested()


async def test_a_lease_without_a_stream_is_given_back_wherever_it_is(two: Replicas) -> None:
    got = [await two.lease("AcquireLease", wait=5.0) for _ in range(2 * CAPACITY)]
    assert [pool.leased for pool in await two.pools()] == [CAPACITY] * 2
    await give_back(*got)
    assert [pool.leased for pool in await two.pools()] == [0, 0]
    # As often as one likes.
    await give_back(*got)
    await two.rested()


async def test_who_does_not_say_that_it_goes_on_waits_where_it_is(two: Replicas) -> None:
    """As tools, gateways and other callers do that know of one browser service, or are of an older version."""
    held = await two.each[0].fill()
    waiting = asyncio.create_task(drive(two.each[0].stub, 20.0))
    await two.until(lambda pools: all_wait(1, pools))
    await give_back(held[0])
    await give_back(await waiting, *held[1:])
    await two.rested()
