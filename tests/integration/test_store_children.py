"""Runs that runs delegate, and claims that are given back, held against both real engines."""

from __future__ import annotations

from meshwright.store.interface import CancelRequested, Page, RunWaiting, Signal, Store
from meshwright.v1.run_pb2 import RunState, Usage
from tests.support.store_drive import (
    LEASE,
    ME,
    a_child,
    a_claim,
    a_notice,
    a_run,
    a_session,
    an_end,
    an_unstored_run,
    finished,
    refusal,
    sequences,
    settled,
    the_end,
)


async def test_a_child_is_at_work_at_once_in_its_parents_log(store: Store) -> None:
    await a_session(store)
    await a_run(store)
    parent = await a_claim(store)
    child = await a_child(store, parent, "run_child")
    assert (child.run.parent_run_id, child.run.attempt, child.run.first_sequence) == ("run_1", 1, 2)
    assert child.run.HasField("start_time")
    assert await store.get_run(ME, "ses_1", "run_child") == child.run
    (event,) = await store.append(child.claim, [a_notice("at work", "run_child")])
    assert event.sequence == 3
    listed = await store.list_runs(ME, "ses_1", Page(10))
    assert [run.run_id for run, _ in listed] == ["run_child", "run_1"]


async def test_a_child_ends_once_and_leaves_its_parent_at_work(store: Store) -> None:
    await a_session(store)
    await a_run(store)
    parent = await a_claim(store)
    child = await a_child(store, parent, "run_child")
    await an_end(store, child)
    assert await refusal(an_end(store, child)) == "RUN_CLAIM_LOST"
    assert (await store.get_run(ME, "ses_1", "run_child")).finish_sequence == 3
    assert (await store.get_session(ME, "ses_1")).active_run_id == "run_1"
    await an_end(store, parent)


async def test_a_child_is_no_run_at_work_of_its_session(store: Store) -> None:
    """Its parent has ended, and it has not: the next run can be claimed, and nobody means the child without naming it."""
    await a_session(store)
    await a_run(store, "run_1")
    parent = await a_claim(store)
    child = await a_child(store, parent, "run_child")
    await an_end(store, parent)
    session = await store.get_session(ME, "ses_1")
    assert (session.active_run_id, session.queued_runs) == ("", 0)
    assert await refusal(store.cancel_run(ME, "ses_1", "", None, settled)) == "RUN_NOT_FOUND"
    await a_run(store, "run_2", reject_if_busy=True)
    assert (await a_claim(store)).claim.run_id == "run_2"
    assert await store.claim_run("me", LEASE) is None
    await an_end(store, child)


async def test_a_child_can_be_cancelled_by_its_id(store: Store) -> None:
    await a_session(store)
    await a_run(store)
    await a_child(store, await a_claim(store), "run_child")
    signals: list[Signal] = []
    store.listen(signals.append)
    await store.cancel_run(ME, "ses_1", "run_child", None, settled)
    assert signals == [CancelRequested("ses_1", "run_child")]


async def test_a_takeover_of_the_parent_takes_the_children_too(store: Store) -> None:
    await a_session(store)
    await a_run(store)
    deposed = await a_claim(store, 0.0)
    child = await a_child(store, deposed, "run_child")
    grandchild = await a_child(store, child, "run_grandchild")
    done = await a_child(store, deposed, "run_done")
    await an_end(store, done)

    parent = await a_claim(store)
    assert parent.claim.run_id == "run_1"
    assert await refusal(store.append(child.claim, [a_notice()])) == "RUN_CLAIM_LOST"
    assert await refusal(a_child(store, deposed, "run_late")) == "RUN_CLAIM_LOST"
    assert await refusal(store.claim_child(deposed.claim, "run_child")) == "RUN_CLAIM_LOST"
    assert await refusal(store.claim_child(parent.claim, "run_grandchild")) == "RUN_NOT_FOUND"
    assert await refusal(store.claim_child(parent.claim, "run_done")) == "RUN_FINISHED"

    again = await store.claim_child(parent.claim, "run_child")
    assert (again.run.attempt, again.run.start_time) == (2, child.run.start_time)
    assert again.claim.token > child.claim.token
    assert await refusal(store.append(grandchild.claim, [a_notice()])) == "RUN_CLAIM_LOST"
    assert (await store.claim_child(again.claim, "run_grandchild")).run.attempt == 2
    await store.append(again.claim, [the_end("run_child")], finished(again.run))
    assert (await store.get_run(ME, "ses_1", "run_child")).state == RunState.RUN_STATE_FINISHED


async def test_a_takeover_reaches_the_children_of_children_whatever_became_of_their_parents(store: Store) -> None:
    await a_session(store)
    await a_run(store)
    deposed = await a_claim(store, 0.0)
    at_work, done = await a_child(store, deposed, "run_at_work"), await a_child(store, deposed, "run_done")
    below = [await a_child(store, child, f"{child.run.run_id}_child") for child in (at_work, done)]
    await an_end(store, done)
    await a_claim(store)
    for grandchild in below:
        assert await refusal(store.append(grandchild.claim, [a_notice()])) == "RUN_CLAIM_LOST"


async def test_what_a_child_used_is_counted_with_its_parent_only(store: Store) -> None:
    await a_session(store)
    await a_run(store)
    parent = await a_claim(store)
    child = await a_child(store, parent, "run_child")
    child.run.usage.CopyFrom(Usage(input_tokens=10, output_tokens=1))
    await an_end(store, child)
    parent.run.usage.CopyFrom(Usage(input_tokens=110, output_tokens=11))
    await an_end(store, parent)
    assert (await store.get_session(ME, "ses_1")).usage.input_tokens == 110
    assert await store.tokens_today(ME) == 121


async def test_a_claim_that_is_given_back_can_be_taken_at_once(store: Store) -> None:
    signals: list[Signal] = []
    await a_session(store)
    await a_run(store)
    held = await a_claim(store)
    assert await store.claim_run("other", LEASE) is None
    store.listen(signals.append)
    await store.release_claims([held.claim])
    assert signals == [RunWaiting()]
    assert await refusal(store.append(held.claim, [a_notice()])) == "RUN_CLAIM_LOST"
    assert (await store.renew_claims([held.claim], LEASE)).lost == [held.claim]

    taken = await a_claim(store, owner="other")
    assert taken.run.attempt == 2
    await store.release_claims([held.claim])
    await store.append(taken.claim, [a_notice()])
    assert await sequences(store) == [1, 2]


async def test_a_run_cannot_be_delegated_under_a_claim_that_is_lost(store: Store) -> None:
    await a_session(store)
    await a_run(store)
    held = await a_claim(store)
    await an_end(store, held)
    lost = store.enqueue_child(held.claim, an_unstored_run("run_child"), [a_notice("queued", "run_child")])
    assert await refusal(lost) == "RUN_CLAIM_LOST"
    assert await refusal(store.get_run(ME, "ses_1", "run_child")) == "RUN_NOT_FOUND"
