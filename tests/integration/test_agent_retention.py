"""Sessions whose log was trimmed: watchers are told by both doors, and the agent works on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from meshwright.agent import retention
from meshwright.agent.watching import MAX_EVENTS_IN_FRAME, Watcher
from meshwright.client import Gap, Mesh, RunFinished
from meshwright.store.interface import Retention, Store
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.event_pb2 import EventFilter, EventKind
from meshwright.v1.run_pb2 import RunState
from meshwright.v1.session_pb2 import Session
from tests.model_script import Call, Say, in_order
from tests.support.agent_mesh import AgentMesh, agent_mesh
from tests.support.store_drive import ME, a_claim, a_notice, a_run, a_session, an_end

PATIENCE = 60.0
FEW = 3
"""Events that are kept in any case: those of the last run."""

Frames = AsyncIterator[pb.ConverseResponse]


@pytest.fixture(params=["", "redis"])
async def mesh(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AgentMesh]:
    """Keeps few events."""
    store_url = str(request.getfixturevalue("redis_url")) if request.param else ""
    async with agent_mesh(tmp_path, Say("Hello there."), store_url=store_url, max_events=FEW) as running:
        yield running


async def a_trimmed_session(mesh: AgentMesh, runs: int = 4) -> Session:
    """A session of some runs that has lost all but the last one."""
    session_id = await mesh.new_session()
    for number in range(runs):
        run = await mesh.start(session_id, f"task {number}")
        await mesh.events(session_id, run.run_id, after=run.first_sequence - 1)
    last = (await mesh.stub.GetRun(pb.GetRunRequest(session_id=session_id, run_id=run.run_id))).run
    async with asyncio.timeout(PATIENCE):
        while True:
            session = (await mesh.stub.GetSession(pb.GetSessionRequest(session_id=session_id))).session
            if session.first_sequence == last.first_sequence:
                return session
            await asyncio.sleep(0.02)


@asynccontextmanager
async def watching(mesh: AgentMesh, door: str, session_id: str, **request: Any) -> AsyncIterator[Frames]:
    """The frames of a watcher; those of both doors say the same by the same numbers."""
    call: Any
    if door == "unary":
        call = mesh.stub.WatchSession(pb.WatchSessionRequest(session_id=session_id, **request))
    else:
        call = mesh.stub.Converse()
        await call.write(
            pb.ConverseRequest(command_id="start", start=pb.ConverseStart(session_id=session_id, **request))
        )
    try:
        async with asyncio.timeout(PATIENCE):
            yield (pb.ConverseResponse.FromString(frame.SerializeToString()) async for frame in call)
    finally:
        call.cancel()


async def frames_until(frames: Frames, is_last: Callable[[pb.ConverseResponse], bool]) -> list[pb.ConverseResponse]:
    seen: list[pb.ConverseResponse] = []
    async for frame in frames:
        seen.append(frame)
        if is_last(frame):
            break
    return seen


@pytest.mark.parametrize("door", ["unary", "converse"])
async def test_a_watcher_from_the_beginning_gets_a_gap_with_what_the_session_amounts_to(
    mesh: AgentMesh, door: str
) -> None:
    session = await a_trimmed_session(mesh)
    async with watching(mesh, door, session.session_id) as frames:
        seen = await frames_until(frames, lambda frame: frame.HasField("caught_up"))
    assert [frame.WhichOneof("control") for frame in seen] == ["attached", "gap", None, "caught_up"]
    gap = seen[1].gap
    assert (gap.after_sequence, gap.first_available_sequence) == (0, session.first_sequence)
    sequences = [event.sequence for frame in seen for event in frame.events]
    assert sequences == list(range(session.first_sequence, session.last_sequence + 1))

    snapshot = gap.snapshot
    assert (snapshot.session, snapshot.sequence) == (session, session.last_sequence)
    assert [(run.spec.task, run.answer) for run in snapshot.runs] == [("task 3", "Hello there.")]
    assert [message.text for message in snapshot.messages][-2:] == ["task 3", "Hello there."]


async def test_a_cursor_in_what_is_kept_gets_no_gap(mesh: AgentMesh) -> None:
    session = await a_trimmed_session(mesh)
    after = session.first_sequence - 1
    async with watching(mesh, "unary", session.session_id, after_sequence=after) as frames:
        seen = await frames_until(frames, lambda frame: frame.HasField("caught_up"))
    assert not any(frame.HasField("gap") for frame in seen)


async def test_a_watch_until_the_end_of_a_run_that_is_gone_ends(mesh: AgentMesh) -> None:
    session = await a_trimmed_session(mesh)
    listed = (await mesh.stub.ListRuns(pb.ListRunsRequest(session_id=session.session_id))).runs
    first = listed[-1]
    assert first.finish_sequence < session.first_sequence
    async with watching(mesh, "unary", session.session_id, until_run_id=first.run_id) as frames:
        seen = await frames_until(frames, lambda _: False)
    assert [frame.WhichOneof("control") for frame in seen] == ["attached", "gap", "caught_up"]


async def test_the_agent_goes_on_with_what_is_kept(mesh: AgentMesh) -> None:
    session = await a_trimmed_session(mesh)
    run = await mesh.start(session.session_id, "and now?")
    events = await mesh.events(session.session_id, run.run_id, after=session.last_sequence)
    assert events[-1].run_finished.answer == "Hello there."
    asked = [message["content"] for message in mesh.model.requests[-1].messages]
    assert "task 3" in asked
    assert "task 0" not in asked


async def test_the_client_is_told_of_the_gap_and_sees_the_rest(mesh: AgentMesh) -> None:
    session = await a_trimmed_session(mesh)
    async with Mesh(str(mesh.address)) as client, asyncio.timeout(PATIENCE):
        watched = client.session(session.session_id).events()
        events = []
        async for event in watched:
            events.append(event)
            if isinstance(event, RunFinished) and event.sequence == session.last_sequence:
                break
    gap = events[0]
    assert isinstance(gap, Gap)
    assert gap.sequence == session.first_sequence - 1
    assert [event.sequence for event in events[1:]] == list(range(session.first_sequence, session.last_sequence + 1))


async def test_what_has_not_ended_is_kept_and_stands_in_the_snapshot(tmp_path: Path) -> None:
    ask = in_order(Say("One."), Say("Two."), Call("file.write", {"path": "x", "content": "y"}), Say("Three."))
    async with agent_mesh(tmp_path, ask, max_events=1, approvals="file.write") as mesh:
        session = await a_trimmed_session(mesh, runs=2)
        run = await mesh.start(session.session_id, "delete it")
        async with watching(mesh, "unary", session.session_id, after_sequence=session.last_sequence) as frames:
            asked = await frames_until(
                frames, lambda frame: any(event.HasField("approval_requested") for event in frame.events)
            )
        async with watching(mesh, "unary", session.session_id) as frames:
            seen = await frames_until(frames, lambda frame: frame.HasField("gap"))
        snapshot = seen[-1].gap.snapshot
        assert [(shown.spec.task, shown.state) for shown in snapshot.runs] == [
            ("task 1", RunState.RUN_STATE_FINISHED),
            ("delete it", RunState.RUN_STATE_ACTIVE),
        ]
        (approval,) = snapshot.approvals
        requested = [event for frame in asked for event in frame.events if event.HasField("approval_requested")]
        assert approval.approval_id == requested[0].approval_requested.approval.approval_id
        assert approval.run_id == run.run_id


async def test_trimming_that_overtakes_a_slow_replay_is_a_gap(store: Store) -> None:
    session = await a_session(store)
    await a_run(store)
    claimed = await a_claim(store)
    await store.append(claimed.claim, [a_notice("old", "run_1")] * (2 * MAX_EVENTS_IN_FRAME))
    await an_end(store, claimed, at=1.0)
    await store.append_to_session("ses_1", [a_notice("kept")])
    session = await store.get_session(ME, "ses_1")
    watcher = Watcher(store, session, after_sequence=0, wanted=EventFilter())
    frames = watcher.frames()
    seen = [pb.WatchSessionResponse.FromString(await anext(frames)) for _ in range(2)]
    assert seen[1].events[-1].sequence == MAX_EVENTS_IN_FRAME
    assert await store.trim("ses_1", Retention(finished_before=2.0)) == 2 * MAX_EVENTS_IN_FRAME + 2

    seen = [pb.WatchSessionResponse.FromString(await anext(frames)) for _ in range(3)]
    assert [frame.WhichOneof("control") for frame in seen] == ["gap", None, "caught_up"]
    assert seen[0].gap.after_sequence == MAX_EVENTS_IN_FRAME
    assert [event.sequence for event in seen[1].events] == [session.last_sequence]
    await frames.aclose()


async def test_a_filter_gets_the_gap_too(store: Store) -> None:
    await a_session(store)
    await a_run(store)
    await an_end(store, await a_claim(store), at=1.0)
    await store.trim("ses_1", Retention(finished_before=2.0))
    wanted = EventFilter(run_ids=["run_1"], kinds=[EventKind.EVENT_KIND_RUN_FINISHED])
    watcher = Watcher(store, await store.get_session(ME, "ses_1"), after_sequence=1, wanted=wanted)
    frames = watcher.frames()
    seen = [pb.WatchSessionResponse.FromString(await anext(frames)) for _ in range(3)]
    assert [frame.WhichOneof("control") for frame in seen] == ["attached", "gap", "caught_up"]
    assert [run.run_id for run in seen[1].gap.snapshot.runs] == ["run_1"]
    await frames.aclose()


async def test_a_sweep_removes_what_is_older_than_the_settings_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "FIRST_SWEEP_SECONDS", 0.05)
    monkeypatch.setattr(retention, "SWEEP_SECONDS", 0.05)
    async with agent_mesh(tmp_path, Say("Hello."), retention_days=1e-6) as mesh:
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "task")
        async with asyncio.timeout(PATIENCE):
            while True:
                session = (await mesh.stub.GetSession(pb.GetSessionRequest(session_id=session_id))).session
                if session.first_sequence > 1:
                    break
                await asyncio.sleep(0.02)
        ended = (await mesh.stub.GetRun(pb.GetRunRequest(session_id=session_id, run_id=run.run_id))).run
        assert (session.first_sequence, ended.answer) == (ended.finish_sequence + 1, "Hello.")
