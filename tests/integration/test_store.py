"""What every store promises, held against both real engines."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshwright.serving.errors import MeshError
from meshwright.store.interface import (
    CancelRequested,
    Draft,
    Once,
    Page,
    Renewal,
    RunWaiting,
    SessionDeleted,
    Signal,
    Store,
)
from meshwright.store.live import MAX_BEHIND_EVENTS
from meshwright.store.opening import StoreInUseError
from meshwright.store.sqlite.store import SqliteStore
from meshwright.v1.event_pb2 import Event, EventKind
from meshwright.v1.run_pb2 import RunState, Usage
from tests.support.store_drive import (
    LEASE,
    ME,
    a_claim,
    a_notice,
    a_run,
    a_session,
    a_store,
    finished,
    refusal,
    sequences,
    settled,
    taken,
    the_end,
)


async def test_a_session_is_found_by_its_owner_only(store: Store) -> None:
    await a_session(store)
    assert (await store.get_session(ME, "ses_1")).session_id == "ses_1"
    assert await refusal(store.get_session("somebody", "ses_1")) == "SESSION_NOT_FOUND"
    assert await refusal(store.get_session(ME, "ses_2")) == "SESSION_NOT_FOUND"


async def test_sequences_begin_at_one_and_have_no_gap(store: Store) -> None:
    await a_session(store)
    await store.append_to_session("ses_1", [a_notice(), a_notice()])
    await store.append_to_session("ses_1", [a_notice()])
    assert await sequences(store) == [1, 2, 3]
    assert await sequences(store, after=1) == [2, 3]
    session = await store.get_session(ME, "ses_1")
    assert (session.first_sequence, session.last_sequence) == (1, 3)


async def test_an_event_comes_back_as_it_was_with_its_sequence(store: Store) -> None:
    await a_session(store)
    await store.append_to_session("ses_1", [a_notice("one"), a_notice("two")])
    events = [Event.FromString(stored.payload) for stored in await store.read("ses_1", 0, 10)]
    assert [(event.sequence, event.notice.text) for event in events] == [(1, "one"), (2, "two")]


async def test_reading_gives_only_the_kinds_that_are_asked_for(store: Store) -> None:
    await a_session(store)
    await store.append_to_session("ses_1", [a_notice(), the_end("run_x"), a_notice()])
    only = await store.read("ses_1", 0, 10, [EventKind.EVENT_KIND_RUN_FINISHED])
    assert [event.sequence for event in only] == [2]


async def test_a_request_that_is_repeated_gets_its_first_answer_and_does_nothing(store: Store) -> None:
    once = Once("request-1", b"body")
    first = await a_session(store, "ses_1", once=once)
    second = await a_session(store, "ses_2", once=once)
    assert second == first
    assert await refusal(store.get_session(ME, "ses_2")) == "SESSION_NOT_FOUND"

    run = await a_run(store, "run_1", once=Once("request-2", b"body"))
    assert await a_run(store, "run_2", once=Once("request-2", b"body")) == run
    assert await sequences(store) == [1]


async def test_a_request_id_with_another_body_is_refused(store: Store) -> None:
    await a_session(store, once=Once("request-1", b"body"))
    assert await refusal(a_session(store, "ses_2", once=Once("request-1", b"other"))) == "REQUEST_ID_REUSED"


async def test_the_same_request_id_of_another_principal_is_another_request(store: Store) -> None:
    await a_session(store, "ses_1", once=Once("request-1", b"body"))
    await a_session(store, "ses_2", "somebody", once=Once("request-1", b"other"))
    assert (await store.get_session("somebody", "ses_2")).session_id == "ses_2"


async def test_runs_of_a_session_are_claimed_one_after_the_other(store: Store) -> None:
    await a_session(store)
    await a_run(store, "run_1")
    await a_run(store, "run_2")
    first = await store.claim_run("me", LEASE)
    assert first is not None
    assert first.claim.run_id == "run_1"
    assert await store.claim_run("me", LEASE) is None

    await store.append(first.claim, [the_end("run_1")], finished(first.run))
    second = await store.claim_run("me", LEASE)
    assert second is not None
    assert second.claim.run_id == "run_2"


async def test_runs_of_different_sessions_are_claimed_side_by_side(store: Store) -> None:
    for number in (1, 2):
        await a_session(store, f"ses_{number}")
        await a_run(store, f"run_{number}", f"ses_{number}")
    claimed = [await store.claim_run("me", LEASE) for _ in range(3)]
    assert [run.claim.run_id if run else None for run in claimed] == ["run_1", "run_2", None]


async def test_a_run_whose_lease_is_over_is_claimed_again_and_its_old_holder_cannot_append(store: Store) -> None:
    await a_session(store)
    await a_run(store)
    deposed = await store.claim_run("old", 0.0)
    taken = await store.claim_run("new", LEASE)
    assert deposed is not None
    assert taken is not None
    assert (deposed.run.attempt, taken.run.attempt) == (1, 2)
    assert taken.claim.token > deposed.claim.token

    assert await refusal(store.append(deposed.claim, [a_notice()])) == "RUN_CLAIM_LOST"
    assert await store.renew_claims([deposed.claim, taken.claim], LEASE) == Renewal(
        lost=[deposed.claim], cancelled=[], steered=[]
    )
    (event,) = await store.append(taken.claim, [a_notice()])
    assert event.sequence == 2


async def test_whoever_renews_a_claim_is_told_that_the_run_was_cancelled(store: Store) -> None:
    await a_session(store)
    await a_run(store)
    claimed = await store.claim_run("me", LEASE)
    assert claimed is not None
    assert await store.renew_claims([claimed.claim], LEASE) == Renewal(lost=[], cancelled=[], steered=[])
    await store.cancel_run(ME, "ses_1", "run_1", None, settled)
    for _ in range(2):
        assert await store.renew_claims([claimed.claim], LEASE) == Renewal(
            lost=[], cancelled=[claimed.claim], steered=[]
        )
    deposed = claimed.claim._replace(token=claimed.claim.token - 1)
    assert await store.renew_claims([deposed], LEASE) == Renewal(lost=[deposed], cancelled=[], steered=[])


async def test_whoever_renews_a_claim_is_told_of_inputs_that_are_new(store: Store) -> None:
    await a_session(store)
    await a_run(store)
    claim = (await a_claim(store)).claim
    for known in range(3):
        assert await store.renew_claims([claim], LEASE, {claim: known}) == Renewal(lost=[], cancelled=[], steered=[])
        await store.deliver_input(ME, "ses_1", "run_1", None, lambda run: a_notice("more", run.run_id), interrupt=True)
        for _ in range(2):
            renewal = await store.renew_claims([claim], LEASE, {claim: known})
            assert renewal == Renewal(lost=[], cancelled=[], steered=[claim])
        assert (await store.renew_claims([claim], LEASE)).steered == []


async def test_a_run_ends_once(store: Store) -> None:
    await a_session(store)
    await a_run(store)
    claimed = await store.claim_run("me", LEASE)
    assert claimed is not None
    await store.append(claimed.claim, [a_notice(), the_end("run_1")], finished(claimed.run))
    assert await refusal(store.append(claimed.claim, [the_end("run_1")], claimed.run)) == "RUN_CLAIM_LOST"
    run = await store.get_run(ME, "ses_1", "run_1")
    assert (run.state, run.finish_sequence) == (RunState.RUN_STATE_FINISHED, 3)
    assert await refusal(store.cancel_run(ME, "ses_1", "run_1", None, settled)) == "RUN_FINISHED"


async def test_what_runs_used_adds_up_in_their_session(store: Store) -> None:
    await a_session(store)
    for run_id in ("run_1", "run_2"):
        await a_run(store, run_id)
        claimed = await store.claim_run("me", LEASE)
        assert claimed is not None
        run = finished(claimed.run)
        run.usage.CopyFrom(Usage(input_tokens=10, output_tokens=5, model_calls=1, cost_micros=7, currency_code="USD"))
        await store.append(claimed.claim, [the_end(run_id)], run)
    usage = (await store.get_session(ME, "ses_1")).usage
    assert usage == Usage(input_tokens=20, output_tokens=10, model_calls=2, cost_micros=14, currency_code="USD")


async def test_cancelling_a_queued_run_ends_it_at_once(store: Store) -> None:
    await a_session(store)
    await a_run(store, "run_1")
    await a_run(store, "run_2")
    run = await store.cancel_run(ME, "ses_1", "run_2", None, settled)
    assert run.state == RunState.RUN_STATE_FINISHED
    assert (await store.read("ses_1", 2, 10))[0].kind == EventKind.EVENT_KIND_RUN_FINISHED
    again = await store.cancel_run(ME, "ses_1", "run_2", None, settled)
    assert again.finish_sequence == run.finish_sequence


async def test_cancelling_an_active_run_signals_its_holder(store: Store) -> None:
    signals: list[Signal] = []
    store.listen(signals.append)
    await a_session(store)
    await a_run(store)
    await store.claim_run("me", LEASE)
    await store.cancel_run(ME, "ses_1", "", None, settled)
    assert signals == [RunWaiting(), CancelRequested("ses_1", "run_1")]


async def test_a_run_is_refused_on_a_busy_session_when_it_asks_for_that(store: Store) -> None:
    await a_session(store)
    await a_run(store, "run_1")
    assert await refusal(a_run(store, "run_2", reject_if_busy=True)) == "SESSION_BUSY"
    assert await sequences(store) == [1]


async def test_deleting_a_session_ends_its_watchers_and_claims(store: Store) -> None:
    signals: list[Signal] = []
    await a_session(store)
    await a_run(store)
    claimed = await store.claim_run("me", LEASE)
    assert claimed is not None
    store.listen(signals.append)
    subscription = store.subscribe("ses_1")
    await store.delete_session(ME, "ses_1", None)
    with pytest.raises(MeshError, match="no such session"):
        subscription.take()
    assert await refusal(store.append(claimed.claim, [a_notice()])) == "RUN_CLAIM_LOST"
    assert await refusal(store.delete_session(ME, "ses_1", None)) == "SESSION_NOT_FOUND"
    assert await sequences(store) == []
    assert signals == [SessionDeleted("ses_1")]


async def test_lists_are_paged_from_the_newest_to_the_oldest(store: Store) -> None:
    for number in range(5):
        await a_session(store, f"ses_{number}")
    await store.append_to_session("ses_1", [a_notice()])
    first = await store.list_sessions(ME, Page(2))
    rest = await store.list_sessions(ME, Page(10, first[-1][1]))
    assert [session.session_id for session, _ in first + rest] == ["ses_1", "ses_4", "ses_3", "ses_2", "ses_0"]

    for number in range(3):
        await a_run(store, f"run_{number}")
    runs = await store.list_runs(ME, "ses_1", Page(2))
    older = await store.list_runs(ME, "ses_1", Page(2, runs[-1][1]))
    assert [run.run_id for run, _ in runs + older] == ["run_2", "run_1", "run_0"]


async def test_a_session_is_titled_after_its_first_task(store: Store) -> None:
    await a_session(store)
    await a_run(store, "run_1")
    await a_run(store, "run_2")
    assert (await store.get_session(ME, "ses_1")).title == "task of run_1"


async def test_a_reader_that_falls_too_far_behind_is_ended_with_its_cursor(store: Store) -> None:
    await a_session(store)
    slow, quick = store.subscribe("ses_1"), store.subscribe("ses_1")
    assert await sequences(store) == []
    await store.append_to_session("ses_1", [a_notice()] * MAX_BEHIND_EVENTS)
    assert len(await taken(quick, MAX_BEHIND_EVENTS)) == MAX_BEHIND_EVENTS
    await store.append_to_session("ses_1", [a_notice()])
    assert [event.sequence for event in await taken(quick, 1)] == [MAX_BEHIND_EVENTS + 1]
    with pytest.raises(MeshError) as caught:
        slow.take()
    assert (caught.value.reason_name, caught.value.metadata["last_sequence"]) == ("READER_TOO_SLOW", "0")


async def test_what_was_committed_survives_and_active_runs_can_be_claimed_by_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    first = await SqliteStore.open(path)
    await a_session(first)
    await a_run(first)
    assert await first.claim_run("first", 3600.0)
    with pytest.raises(StoreInUseError, match="MESHWRIGHT_DATA_DIR"):
        await SqliteStore.open(path)
    await first.close()

    second = await SqliteStore.open(path)
    claimed = await second.claim_run("second", LEASE)
    assert claimed is not None
    assert claimed.run.attempt == 2
    assert await sequences(second) == [1]
    await second.close()


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5)), max_size=30),
    attach_at=st.integers(0, 30),
    cursor_back=st.integers(0, 10),
)
async def test_a_reader_that_attaches_anywhere_sees_every_event_once_in_order(
    store_address: str,
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[tuple[int, int]],
    attach_at: int,
    cursor_back: int,
) -> None:
    """Concurrent appends to three sessions; a reader subscribes in the middle, reads the past, then takes what is live."""
    async with a_store(store_address, tmp_path_factory.mktemp("store")) as store:
        for number in range(3):
            await a_session(store, f"ses_{number}")
        appends: list[Awaitable[None]] = []
        seen: list[int] = []
        cursor = 0
        subscription = None
        for index, (session, count) in enumerate(batches):
            if index == attach_at:
                await asyncio.gather(*appends)
                cursor = max(0, (await store.get_session(ME, "ses_0")).last_sequence - cursor_back)
                subscription = store.subscribe("ses_0")
            appends.append(asyncio.ensure_future(store.append_to_session(f"ses_{session}", [a_notice()] * count)))
        if subscription is None:
            subscription = store.subscribe("ses_0")
        seen += await sequences(store, "ses_0", after=cursor)
        await asyncio.gather(*appends)
        seen += [event.sequence for event in subscription.take() if event.sequence > (seen[-1] if seen else cursor)]
        total = sum(count for session, count in batches if session == 0)
        assert seen == list(range(cursor + 1, total + 1))
        assert await sequences(store, "ses_0") == list(range(1, total + 1))


async def test_appends_of_many_sessions_at_once_keep_the_order_of_each(store: Store) -> None:
    claims = []
    for number in range(20):
        await a_session(store, f"ses_{number}")
        await a_run(store, f"run_{number}", f"ses_{number}")
        claimed = await store.claim_run("me", LEASE)
        assert claimed is not None
        claims.append(claimed.claim)
    appends: list[Awaitable[object]] = [
        store.append(claim, [a_notice(f"{round_}")]) for round_ in range(50) for claim in claims
    ]
    await asyncio.gather(*appends)
    events = [Event.FromString(stored.payload) for stored in await store.read("ses_7", 1, 100)]
    assert [(event.sequence, event.notice.text) for event in events] == [(n + 2, str(n)) for n in range(50)]


async def test_drafts_gather_until_the_append_is_made(store: Store) -> None:
    await a_session(store)
    await a_run(store)
    claimed = await store.claim_run("a", LEASE)
    assert claimed is not None
    gathered = ["before"]
    asked = 0

    def drafts() -> list[Draft]:
        nonlocal asked
        asked += 1
        return [a_notice(text, "run_1") for text in gathered]

    appended = store.append(claimed.claim, drafts)
    gathered.append("after")
    events = [Event.FromString(stored.payload) for stored in await appended]
    assert [event.notice.text for event in events] == ["before", "after"]
    assert asked == 1


async def test_drafts_that_cannot_be_composed_fail_alone(store: Store) -> None:
    await a_session(store)
    await a_run(store)
    claimed = await store.claim_run("a", LEASE)
    assert claimed is not None

    def drafts() -> list[Draft]:
        raise LookupError("nothing to say")

    failing = store.append(claimed.claim, drafts)
    await store.append(claimed.claim, [a_notice("fine", "run_1")])
    with pytest.raises(LookupError):
        await failing
    assert await sequences(store) == [1, 2]
