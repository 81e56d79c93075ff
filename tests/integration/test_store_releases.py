"""Stores that releases wrote, opened by this version: everything in them is as the release itself said."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from meshwright.store.interface import Page, Store
from meshwright.store.opening import open_store
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.event_pb2 import Event
from meshwright.v1.run_pb2 import RunOutcome, RunState
from tests.model_script import Say
from tests.support.agent_mesh import agent_mesh
from tests.support.delegation import assert_whole, end
from tests.support.previous_version import PREVIOUS
from tests.support.redis_keys import put_keys
from tests.support.redis_server import flush
from tests.support.store_drive import ME
from tests.support.store_fixture import FIXTURES

RELEASES = sorted(path.name for path in FIXTURES.iterdir() if path.is_dir())
ALL = Page(1000)
EXPIRED, COMPLETED = RunOutcome.RUN_OUTCOME_EXPIRED, RunOutcome.RUN_OUTCOME_COMPLETED


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> Path:
    return FIXTURES / str(request.param)


@pytest.fixture
async def folder(release: Path, engine: str, store_address: str, tmp_path: Path) -> Path:
    """An agent's data folder with the release's store in it; or the store is at its address."""
    if engine == "redis":
        await flush(store_address)
        await put_keys(store_address, (release / "store-redis.json").read_text())
    else:
        (tmp_path / "store").mkdir()
        shutil.copy(release / "store.sqlite3", tmp_path / "store" / "meshwright.sqlite3")
    return tmp_path


@pytest.fixture
async def store(folder: Path, store_address: str) -> AsyncIterator[Store]:
    opened = await open_store(store_address, folder / "store" / "meshwright.sqlite3")
    yield opened
    await opened.close()


@pytest.fixture
def said(release: Path, engine: str) -> list[dict[str, Any]]:
    """Of each session, the last used first."""
    sessions: list[dict[str, Any]] = json.loads((release / f"said-{engine}.json").read_text())["sessions"]
    return sessions


def test_the_version_before_this_one_is_among_them() -> None:
    assert PREVIOUS.version in RELEASES


async def test_everything_is_as_the_release_said(store: Store, said: list[dict[str, Any]]) -> None:
    listed = await store.list_sessions(ME, ALL)
    assert [MessageToDict(session) for session, _ in listed] == [each["session"] for each in said]
    for each in said:
        session_id, first = each["session"]["sessionId"], int(each["session"]["firstSequence"])
        runs = [MessageToDict(run) for run, _ in await store.list_runs(ME, session_id, ALL)]
        approvals = await store.list_approvals(ME, session_id, ALL, pending_only=False)
        events = [Event.FromString(stored.payload) for stored in await store.read(session_id, first - 1, 1000)]
        assert runs == each["runs"]
        assert [MessageToDict(approval) for approval, _ in approvals] == each["approvals"]
        assert [MessageToDict(event) for event in events] == each["events"]


async def test_what_was_under_way_comes_to_its_end(
    folder: Path, store_address: str, said: list[dict[str, Any]]
) -> None:
    """The minute that runs at work had is long over; the one behind has its own."""
    async with agent_mesh(folder, Say("Hello again."), store_url=store_address, retention_days=0) as mesh:
        for each in said:
            for run in each["runs"]:
                if run["state"] == "RUN_STATE_FINISHED" or "parentRunId" in run:
                    continue
                events = await mesh.events(run["sessionId"], run["runId"])
                assert_whole(events)
                ended = COMPLETED if run["state"] == "RUN_STATE_QUEUED" else EXPIRED
                assert end(events, run["runId"]).outcome == ended
                assert [MessageToDict(event) for event in events[: len(each["events"])]] == each["events"]
        sessions = (await mesh.stub.ListSessions(pb.ListSessionsRequest())).sessions
    assert not [session for session in sessions if session.active_run_id or session.queued_runs]


async def test_a_session_whose_log_was_trimmed_goes_on(
    folder: Path, store_address: str, said: list[dict[str, Any]]
) -> None:
    (talk,) = [each for each in said if each["session"].get("title") == "Greetings"]
    session_id, first = talk["session"]["sessionId"], int(talk["session"]["firstSequence"])
    async with agent_mesh(folder, Say("Hello again."), store_url=store_address, retention_days=0) as mesh:
        run = await mesh.start(session_id, "hello")
        watch = mesh.stub.WatchSession(pb.WatchSessionRequest(session_id=session_id, until_run_id=run.run_id))
        frames = [frame async for frame in watch]
    (gap,) = [frame.gap for frame in frames if frame.HasField("gap")]
    assert gap.snapshot.session.session_id == session_id
    events = [event for frame in frames for event in frame.events]
    assert [event.sequence for event in events] == list(range(first, first + len(events)))
    assert end(events, run.run_id).answer == "Hello again."
    assert run.state == RunState.RUN_STATE_QUEUED
