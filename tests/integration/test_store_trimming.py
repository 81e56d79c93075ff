"""Trimmed logs, held against both real engines: what goes, what stays, and that nobody reads over a hole."""

from __future__ import annotations

import asyncio
import time

import pytest

from meshwright.store.interface import Page, Retention, Store
from meshwright.store.refusals import TrimmedError
from meshwright.v1.event_pb2 import EventKind
from meshwright.v1.run_pb2 import RunState
from tests.support.store_drive import (
    LEASE,
    ME,
    a_child,
    a_claim,
    a_notice,
    a_run,
    a_session,
    an_end,
    sequences,
    settled,
    taken,
)

LONG_AGO = time.time() - 1000
OLD = Retention(finished_before=LONG_AGO + 1)
MANY_EVENTS = 12_000


async def a_finished_run(
    store: Store, run_id: str, session_id: str = "ses_1", *, events: int = 0, at: float | None = None
) -> None:
    """A run with two events and some more."""
    await a_run(store, run_id, session_id)
    claimed = await a_claim(store)
    if events:
        await store.append(claimed.claim, [a_notice("at work", run_id)] * events)
    await an_end(store, claimed, at)


async def first_available(store: Store, after: int = 0, kinds: tuple[int, ...] = ()) -> int:
    with pytest.raises(TrimmedError) as caught:
        await store.read("ses_1", after, 100, kinds)
    return caught.value.first_available_sequence


async def test_runs_that_ended_long_ago_go_and_say_so(store: Store) -> None:
    await a_session(store)
    await a_finished_run(store, "run_1", at=LONG_AGO)
    await store.append_to_session("ses_1", [a_notice("between")])
    await a_finished_run(store, "run_2", at=LONG_AGO)
    await a_finished_run(store, "run_3")

    assert await store.trim("ses_1", OLD) == 5
    session = await store.get_session(ME, "ses_1")
    assert (session.first_sequence, session.last_sequence) == (6, 7)
    assert await first_available(store) == 6
    assert await first_available(store, after=4) == 6
    assert await first_available(store, kinds=(EventKind.EVENT_KIND_RUN_FINISHED,)) == 6
    assert await sequences(store, after=5) == [6, 7]
    assert await store.trim("ses_1", OLD) == 0
    listed = await store.list_runs(ME, "ses_1", Page(10))
    assert [run.run_id for run, _ in listed] == ["run_3", "run_2", "run_1"]


async def test_the_newest_events_stay_and_no_run_is_cut(store: Store) -> None:
    await a_session(store)
    for number in range(5):
        await a_finished_run(store, f"run_{number}", events=2)
    assert await store.trim("ses_1", Retention(events=20)) == 0
    assert await store.trim("ses_1", Retention(events=6)) == 12
    assert await sequences(store, after=12) == list(range(13, 21))
    assert await store.trim("ses_1", Retention(events=1)) == 4


async def test_a_log_can_be_trimmed_to_its_end_and_goes_on(store: Store) -> None:
    await a_session(store)
    await a_finished_run(store, "run_1", at=LONG_AGO)
    assert await store.trim("ses_1", OLD) == 2
    assert await first_available(store) == 3
    assert await sequences(store, after=2) == []
    await a_finished_run(store, "run_2", at=LONG_AGO)
    assert await sequences(store, after=2) == [3, 4]
    assert await store.trim("ses_1", OLD) == 2


async def test_nothing_of_a_run_that_has_not_ended_goes(store: Store) -> None:
    """The first was at work when the second was asked for; the second delegated a third, and has ended without it."""
    await a_session(store)
    await a_run(store, "run_1")
    first = await a_claim(store)
    await a_run(store, "run_2")
    everything = Retention(finished_before=time.time() + 1000, events=1)
    assert await store.trim("ses_1", everything) == 0
    await an_end(store, first)
    assert await store.trim("ses_1", everything) == 0
    second = await a_claim(store)
    child = await a_child(store, second, "run_child")
    await an_end(store, second)
    assert await store.trim("ses_1", everything) == 0
    await an_end(store, child)
    assert await store.trim("ses_1", everything) == 6


async def test_a_run_that_was_cancelled_while_it_waited_can_go(store: Store) -> None:
    await a_session(store)
    await a_run(store)
    await store.cancel_run(ME, "ses_1", "run_1", None, settled)
    assert await store.trim("ses_1", Retention(finished_before=time.time() + 1)) == 2


async def test_a_session_that_does_not_exist_has_nothing_to_remove(store: Store) -> None:
    assert await store.trim("ses_none", OLD) == 0


async def test_a_sweep_trims_every_session(store: Store) -> None:
    for number in range(30):
        await a_session(store, f"ses_{number}")
        await a_finished_run(store, f"run_{number}", f"ses_{number}", at=LONG_AGO if number % 2 else None)
    assert await store.trim_all(OLD) == 30
    assert await store.trim_all(OLD) == 0
    assert (await store.get_session(ME, "ses_1")).first_sequence == 3
    assert (await store.get_session(ME, "ses_2")).first_sequence == 1


async def test_who_follows_the_end_does_not_notice(store: Store) -> None:
    await a_session(store)
    await a_finished_run(store, "run_1", at=LONG_AGO)
    subscription = store.subscribe("ses_1")
    assert await sequences(store, after=2) == []
    await store.trim("ses_1", OLD)
    await a_finished_run(store, "run_2")
    assert [event.sequence for event in await taken(subscription, 2)] == [3, 4]
    subscription.close()


async def test_a_reader_meets_a_trim_of_a_long_log_as_a_gap_and_never_as_a_hole(store: Store) -> None:
    """Events go in pieces; whoever reads meanwhile has each event that follows its cursor, or is told that they are gone."""
    await a_session(store)
    await a_finished_run(store, "run_1", events=MANY_EVENTS, at=LONG_AGO)
    await a_run(store, "run_2")
    claimed = await a_claim(store)
    trimming = asyncio.create_task(store.trim("ses_1", OLD))
    cursor = 0
    gaps: list[int] = []
    while cursor < MANY_EVENTS + 4:
        await store.append(claimed.claim, [a_notice("beside")])
        try:
            events = await store.read("ses_1", cursor, 50)
        except TrimmedError as trimmed:
            gaps.append(trimmed.first_available_sequence)
            cursor = trimmed.first_available_sequence - 1
            continue
        assert [event.sequence for event in events] == list(range(cursor + 1, cursor + 1 + len(events)))
        cursor = events[-1].sequence
    assert await trimming == MANY_EVENTS + 2
    assert gaps in ([], [MANY_EVENTS + 3])


async def test_a_run_is_taken_over_and_ends_in_a_log_that_was_trimmed(store: Store) -> None:
    await a_session(store)
    await a_finished_run(store, "run_1", at=LONG_AGO)
    await a_run(store, "run_2")
    await a_claim(store, 0.0)
    await store.trim("ses_1", OLD)
    again = await a_claim(store, LEASE)
    await an_end(store, again)
    run = await store.get_run(ME, "ses_1", "run_2")
    assert (run.state, run.first_sequence, run.finish_sequence) == (RunState.RUN_STATE_FINISHED, 3, 4)
