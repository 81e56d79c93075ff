"""Callers that go from pool to pool: how long they stay at each, and that nobody is served twice, lost or overtaken."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshwright.browser import pool as pool_module
from meshwright.browser import visit as visit_module
from meshwright.browser.pool import Pool
from meshwright.browser.settings import BrowserSettings
from meshwright.browser.visit import LONGEST_STAY, LOOKS, Visit
from meshwright.browser.wait_queue import WaitQueue
from meshwright.serving.elsewhere import ATTEMPT_KEY, MAX_ATTEMPTS, attempt_of
from meshwright.serving.errors import MeshError

if TYPE_CHECKING:
    from random import Random

waits = st.floats(min_value=0.001, max_value=60.0)


@given(wait=waits)
def test_the_visits_of_a_caller_last_as_long_as_it_waits(wait: float) -> None:
    visits = [Visit.of(attempt, wait) for attempt in range(1, MAX_ATTEMPTS + 1)]
    looks, stays = visits[:LOOKS], visits[LOOKS:]
    assert all(visit.looks and visit.goes_on and not visit.waited for visit in looks)
    assert not any(visit.looks for visit in stays)
    last = next(number for number, visit in enumerate(stays) if not visit.goes_on)
    assert sum(visit.stay for visit in stays[: last + 1]) == pytest.approx(wait)
    assert all(0 < visit.stay <= LONGEST_STAY for visit in stays[: last + 1])
    for before, after in pairwise(stays[: last + 1]):
        assert after.waited == pytest.approx(before.waited + before.stay)


@given(wait=waits, attempt=st.integers(min_value=MAX_ATTEMPTS, max_value=10**9))
def test_nobody_waits_longer_by_a_number_that_was_made_up(wait: float, attempt: int) -> None:
    visit = Visit.of(attempt, wait)
    assert 0 <= visit.stay <= min(wait, LONGEST_STAY)
    assert visit.waited <= wait


@given(wait=waits)
def test_a_caller_that_asks_one_pool_only_waits_there(wait: float) -> None:
    assert Visit.of(0, wait) == Visit(stay=wait, waited=0.0, looks=False, goes_on=False)


@pytest.mark.parametrize(
    ("metadata", "attempt"),
    [
        (None, 0),
        ((("x-request-id", "7"),), 0),
        (((ATTEMPT_KEY, "1"),), 1),
        (((ATTEMPT_KEY, "71"), ("x-request-id", "7")), 71),
        (((ATTEMPT_KEY, ""),), 0),
        (((ATTEMPT_KEY, "-1"),), 0),
        (((ATTEMPT_KEY, "1e9"),), 0),
        (((ATTEMPT_KEY, "٣"),), 0),
        (((ATTEMPT_KEY, "9" * 5000),), 999_999_999),
    ],
)
def test_the_number_of_the_attempt_stands_in_the_metadata(metadata: Any, attempt: int) -> None:
    assert attempt_of(metadata) == attempt


@given(st.lists(st.floats(min_value=0, max_value=60), max_size=12))
async def test_who_has_waited_longest_is_served_first(waited: list[float]) -> None:
    queue = WaitQueue(0)
    joined = [queue.join(each) for each in waited]
    served = [queue.next() for _ in joined]
    assert [waiter.since for waiter in served] == sorted(waiter.since for waiter in joined)
    assert len(queue) == 0


# Pools of which only the browsers are not real.


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stays of milliseconds, and contexts that take one."""

    async def make(process: Any, _viewport: Any) -> Any:
        await asyncio.sleep(0.001)
        isolate = Mock(process=process, is_sound=True, made=0.0)
        isolate.close = _closed
        return isolate

    monkeypatch.setattr(visit_module, "FIRST_STAY", 0.001)
    monkeypatch.setattr(visit_module, "LONGEST_STAY", 0.004)
    monkeypatch.setattr(pool_module, "Isolate", Mock(make=make))


async def _closed() -> bool:
    return True


class Fleet:
    """One browser process that lives for ever."""

    def __init__(self) -> None:
        self.process = Mock(is_gone=False, draining=False, granted=0)

    def least_loaded(self) -> Any:
        return self.process

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def on_lost(self, _callback: object) -> None: ...

    def on_ready(self, _callback: object) -> None: ...

    def settle(self, _process: object) -> None: ...


PATIENT = Visit(stay=60.0)
LOOKING = Visit(stay=60.0, looks=True, goes_on=True)


async def a_pool(**given: int) -> Pool:
    loaded = BrowserSettings.load(**{"browser_capacity": 2, "browser_warm": 1, "browser_queue": 3, **given})
    pool = Pool(loaded, Fleet())  # type: ignore[arg-type]
    await pool.start()
    return pool


class Callers:
    """Go from pool to pool in any order, hold what they get for a moment, and give it back."""

    def __init__(self, pools: list[Pool], capacity: int, chance: Random) -> None:
        self.pools = pools
        self.capacity = capacity
        self.chance = chance

    async def call(self, wait: float, hold: float) -> str:
        for attempt in range(1, 10**6):
            pool = self.chance.choice(self.pools)
            try:
                grant = await pool.acquire(Visit.of(attempt, wait))
            except MeshError as error:
                if not error.elsewhere:
                    return error.reason_name
                await asyncio.sleep(0)
                continue
            try:
                assert pool.leased <= self.capacity
                await asyncio.sleep(hold)
            finally:
                pool.release(grant.isolate, hold)
            return "served"
        raise AssertionError("it went on for ever")


@pytest.mark.usefixtures("quick")
@settings(max_examples=40)
@given(
    callers=st.lists(
        st.tuples(st.floats(0.001, 0.05), st.floats(0, 0.01), st.floats(0, 0.06)), min_size=1, max_size=25
    ),
    leaving=st.sets(st.integers(0, 24)),
    capacity=st.integers(1, 3),
    chance=st.randoms(),
)
async def test_whatever_comes_each_caller_gets_one_browser_or_none_and_all_are_given_back(
    callers: list[tuple[float, float, float]], leaving: set[int], capacity: int, chance: Random
) -> None:
    """A third pool comes when half have called; some leave at any moment."""
    pools = [await a_pool(browser_capacity=capacity) for _ in range(2)]
    crowd = Callers(pools, capacity, chance)
    tasks = []
    try:
        for number, (wait, hold, leaves) in enumerate(callers):
            if number == len(callers) // 2:
                pools.append(await a_pool(browser_capacity=capacity))
            task = asyncio.create_task(crowd.call(wait, hold))
            tasks.append(task)
            if number in leaving:
                asyncio.get_running_loop().call_later(leaves, task.cancel)
        async with asyncio.timeout(20):
            await asyncio.gather(*tasks, return_exceptions=True)
        ends = Counter("left" if task.cancelled() else task.result() for task in tasks)
        assert set(ends) <= {"served", "left", "NO_BROWSER_AVAILABLE"}
        assert [(pool.leased, pool.queued) for pool in pools] == [(0, 0)] * 3
        # Every grant was somebody's: of a caller that was served, or that left while it held it.
        assert ends["served"] <= sum(pool.granted for pool in pools) <= ends["served"] + ends["left"]
    finally:
        await asyncio.gather(*(pool.stop() for pool in pools))


@pytest.mark.usefixtures("quick")
async def test_who_comes_from_another_queue_has_a_place_even_where_the_queue_is_full() -> None:
    pool = await a_pool(browser_capacity=1, browser_queue=1)
    grant = await pool.acquire(PATIENT)
    new = asyncio.create_task(pool.acquire(PATIENT))
    await asyncio.sleep(0)
    with pytest.raises(MeshError) as refused:
        await pool.acquire(Visit.of(LOOKS + 1, 1.0))
    assert not refused.value.elsewhere
    moved = asyncio.create_task(pool.acquire(Visit(stay=60.0, waited=5.0)))
    await asyncio.sleep(0)
    assert pool.queued == 2
    pool.release(grant.isolate, 0.0)
    first = await moved
    assert (first.waited >= 5.0, new.done()) == (True, False)
    pool.release(first.isolate, 0.0)
    pool.release((await new).isolate, 0.0)
    await pool.stop()


@pytest.mark.usefixtures("quick")
async def test_a_full_pool_sends_on_who_looks_and_one_with_room_makes_a_browser_for_it() -> None:
    pool = await a_pool(browser_capacity=2, browser_warm=0)
    grants = [await pool.acquire(LOOKING) for _ in range(2)]
    with pytest.raises(MeshError) as refused:
        await pool.acquire(LOOKING)
    assert (refused.value.elsewhere, pool.queued) == (True, 0)
    for grant in grants:
        pool.release(grant.isolate, 0.0)
    await pool.stop()


@pytest.mark.usefixtures("quick")
async def test_who_leaves_in_the_moment_of_the_grant_leaves_the_browser_to_the_next() -> None:
    pool = await a_pool(browser_capacity=1)
    grant = await pool.acquire(PATIENT)
    async with asyncio.timeout(5):
        while not pool.warm:  # noqa: ASYNC110 (a counter has nothing to await)
            await asyncio.sleep(0.001)
    leaving, staying = (asyncio.create_task(pool.acquire(PATIENT)) for _ in range(2))
    await asyncio.sleep(0)
    pool.release(grant.isolate, 0.0)
    leaving.cancel()
    pool.release((await staying).isolate, 0.0)
    assert (leaving.cancelled(), pool.leased, pool.queued) == (True, 0, 0)
    await pool.stop()
