"""Stores that an earlier version wrote, opened by this one: nothing is lost, and what was under way goes on."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meshwright.serving.startup import StartupError
from meshwright.store.interface import Draft, Page, Store
from meshwright.store.opening import open_store
from meshwright.store.sqlite.schema import SCHEMA_VERSION
from meshwright.v1.event_pb2 import Approval, ApprovalResolved, ApprovalState, Event, EventKind
from meshwright.v1.run_pb2 import RunState
from tests.support.redis_keys import put_keys
from tests.support.redis_server import flush
from tests.support.store_drive import LEASE, ME, a_child, a_claim, a_notice, a_run, an_end, sequences

FIXTURES = Path(__file__).parents[1] / "fixtures" / "store"
FIRST_KEYS = (FIXTURES / "v1-redis.json").read_text()


@pytest.fixture
async def store(store_address: str, tmp_path: Path) -> AsyncIterator[Store]:
    """Written by schema 1: a finished run in `ses_done`; in `ses_work` one that waits for an approval, and one behind it."""
    path = tmp_path / "store.sqlite3"
    if store_address:
        await flush(store_address)
        await put_keys(store_address, FIRST_KEYS)
    else:
        shutil.copy(FIXTURES / "v1.sqlite3", path)
    opened = await open_store(store_address, path)
    yield opened
    await opened.close()


async def test_sessions_runs_and_events_are_as_they_were(store: Store) -> None:
    listed = await store.list_sessions(ME, Page(10))
    assert [session.session_id for session, _ in listed] == ["ses_work", "ses_done"]
    done = await store.get_session(ME, "ses_done")
    assert (done.title, done.labels["made"], done.usage.cost_micros) == ("say hello", "by version 1", 7)
    assert (done.first_sequence, done.last_sequence, done.active_run_id) == (1, 6, "")
    run = await store.get_run(ME, "ses_done", "run_done")
    assert (run.state, run.answer, run.finish_sequence) == (RunState.RUN_STATE_FINISHED, "Hello.", 5)

    events = [Event.FromString(stored.payload) for stored in await store.read("ses_done", 0, 100)]
    kinds = ["run_queued", "run_started", "message", "message", "run_finished", "notice"]
    assert [event.WhichOneof("kind") for event in events] == kinds
    assert [event.sequence for event in events] == [1, 2, 3, 4, 5, 6]
    assert await sequences(store, "ses_work") == [1, 2, 3, 4, 5]


async def test_the_run_at_work_is_taken_over_and_the_one_behind_it_follows(store: Store) -> None:
    work = await store.get_session(ME, "ses_work")
    assert (work.active_run_id, work.queued_runs) == ("run_active", 1)
    taken = await a_claim(store)
    assert (taken.claim.run_id, taken.run.attempt, taken.run.usage.input_tokens) == ("run_active", 2, 100)
    assert await store.claim_run("me", LEASE) is None
    await an_end(store, await a_child(store, taken, "run_child"))
    await an_end(store, taken)
    assert (await a_claim(store)).claim.run_id == "run_queued"
    assert await sequences(store, "ses_work") == list(range(1, 9))


async def test_the_approval_that_waited_is_resolved(store: Store) -> None:
    ((approval, _),) = await store.list_approvals(ME, "ses_work", Page(10), pending_only=True)
    assert (approval.approval_id, approval.call.tool) == ("apr_1", "delete_file")

    def decide(_: Approval) -> tuple[ApprovalResolved, Draft]:
        denied = ApprovalResolved(approval_id="apr_1", state=ApprovalState.APPROVAL_STATE_DENIED)
        event = Event(run_id="run_active", approval_resolved=denied)
        return denied, Draft(EventKind.EVENT_KIND_APPROVAL_RESOLVED, "run_active", event.SerializeToString())

    settled = await store.resolve_approval(ME, "ses_work", "apr_1", None, decide)
    assert settled.approval.state == ApprovalState.APPROVAL_STATE_DENIED
    assert await store.list_approvals(ME, "ses_work", Page(10), pending_only=True) == []


async def test_new_runs_and_events_follow_the_old_ones(store: Store) -> None:
    await store.append_to_session("ses_done", [a_notice()])
    run = await a_run(store, "run_new", "ses_done")
    assert run.first_sequence == 8


async def test_a_file_is_brought_forward_once(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    shutil.copy(FIXTURES / "v1.sqlite3", path)
    for _ in range(2):
        await (await open_store("", path)).close()
        with sqlite3.connect(path) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            rows = connection.execute("SELECT first_sequence, finish_sequence, tokens FROM runs ORDER BY ordinal")
            assert rows.fetchall() == [(1, 5, 15), (1, 0, 120), (5, 0, 0)]
        assert version == SCHEMA_VERSION


async def test_a_file_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    with pytest.raises(StartupError, match="newer Meshwright"):
        await open_store("", path)
