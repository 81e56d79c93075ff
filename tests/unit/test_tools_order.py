"""Turns on the same thing: in the order of arrival, one at a time, whoever gives up."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from meshwright.tools.order import KeyedOrder


@dataclass(frozen=True)
class Named:
    key: str


async def test_one_key_is_taken_in_turn_and_another_at_once() -> None:
    order = KeyedOrder()
    first, second, other = order.take(Named("a")), order.take(Named("a")), order.take(Named("b"))
    async with asyncio.timeout(30):
        async with first, other:
            waiting = asyncio.create_task(second.__aenter__())
            await asyncio.sleep(0)
            assert not waiting.done()
        await waiting


async def test_leaving_before_the_turn_does_not_let_others_overtake_who_runs() -> None:
    order = KeyedOrder()
    runs, gives_up, waits = (order.take(Named("a")) for _ in range(3))
    async with asyncio.timeout(30):
        async with runs:
            gives_up.leave()
            waiting = asyncio.create_task(waits.__aenter__())
            await asyncio.sleep(0)
            assert not waiting.done()
            assert [ticket.claim for ticket in runs.behind()] == [waits.claim]
        await waiting


def test_a_key_that_nobody_holds_is_forgotten() -> None:
    order = KeyedOrder()
    ticket = order.take(Named("a"))
    assert order.is_claimed("a")
    ticket.leave()
    ticket.leave()
    assert not order.is_claimed("a")
    assert len(order) == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=30))
async def test_however_calls_come_and_go_each_key_runs_one_at_a_time_in_order(calls: list[tuple[str, bool]]) -> None:
    order = KeyedOrder()
    running: dict[str, int] = defaultdict(int)
    ran: dict[str, list[int]] = defaultdict(list)

    async def work(number: int, key: str) -> None:
        ticket = tickets[number]
        try:
            async with ticket:
                running[key] += 1
                assert running[key] == 1
                ran[key].append(number)
                await asyncio.sleep(0)
                running[key] -= 1
        finally:
            ticket.leave()

    tickets = [order.take(Named(key)) for key, _ in calls]
    tasks = [asyncio.create_task(work(number, key)) for number, (key, _) in enumerate(calls)]
    await asyncio.sleep(0)
    for task, (_, cancelled) in zip(tasks, calls, strict=True):
        if cancelled:
            running_before = task.done()
            task.cancel()
            assert running_before == task.done()
    for task, ticket in zip(tasks, tickets, strict=True):
        await asyncio.wait({task})
        ticket.leave()
    for numbers in ran.values():
        assert numbers == sorted(numbers)
    assert len(order) == 0
