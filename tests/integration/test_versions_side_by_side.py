"""Two versions of the agent on one shared store: what one began, the other reads, goes on with and ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass, field
from importlib.metadata import version

import grpc
import pytest
import pytest_asyncio
from google.protobuf.message import Message

from meshwright.serving.errors import MeshError
from meshwright.tools.tool import Annotations
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.event_pb2 import ApprovalState, Event
from meshwright.v1.run_pb2 import Run, RunOutcome, RunState
from tests.model_script import Call, Hang, Request, Say, Steps
from tests.support.agent_mesh import PATIENCE, AgentMesh
from tests.support.agent_tools import counting_tool, gate_tool
from tests.support.delegation import assert_whole, by_task, delegate, end, users
from tests.support.previous_version import PREVIOUS
from tests.support.two_versions import DIRECTIONS, NEW, OLD, databases, two_versions

pytestmark = pytest.mark.asyncio(loop_scope="module")

COUNT, WAIT = Call("test.count", {}), Call("test.wait", {})


def repeats(request: Request) -> Steps:
    """Says what users have said in the session."""
    return Say(" / ".join(users(request)))


SCRIPT = by_task(
    {
        "hello": [Say("Hello.")],
        "and then": repeats,
        "count": [COUNT, Say("Counted.")],
        "wait": [WAIT, Say("Nobody steered.")],
        "also": repeats,
        "think": [Hang()],
        "plan": [delegate("look"), Say("Planned.")],
        "look": [Say("Seen.")],
    }
)


@dataclass
class Scene:
    """What the agent of one version, alone, has begun; and calls to the agent of the other version, which came then."""

    first: AgentMesh
    then: AgentMesh
    gate: asyncio.Event
    counted: list[str]
    runs: dict[str, Run] = field(default_factory=dict)
    """The run of each part of the scene, in a session of its own."""

    async def begin(self, part: str, task: str, until: str) -> None:
        """Have the first agent work on a run until it has written such an event."""
        session_id = await self.first.new_session()
        self.runs[part] = await self.first.start(session_id, task, request_id=f"begin-{part}")
        await self.first.wait_for(session_id, until)


SCENES = [*(("redis", *direction) for direction in DIRECTIONS), ("cluster", OLD, NEW)]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=SCENES, ids=" ".join)
async def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    engine, first, then = request.param
    store_url = request.getfixturevalue(f"{engine}_url")
    if engine == "redis":
        store_url = databases(store_url)[DIRECTIONS.index((first, then))]
    gate, counted, opened = asyncio.Event(), list[str](), asyncio.Event()
    opened.set()
    tools = [gate_tool(gate), counting_tool("test.count", Annotations(), counted, opened)]
    folder = tmp_path_factory.mktemp("versions")
    async with (
        two_versions(folder, store_url, SCRIPT, tools, settings={"MESHWRIGHT_APPROVALS": "test.count"}) as versions,
        versions.talking_to(first) as one,
        versions.talking_to(then) as other,
    ):
        await versions.start(first)
        began = Scene(one, other, gate, counted)
        for part, task, until in (
            ("done", "hello", "run_finished"),
            ("family", "plan", "run_finished"),
            ("asked", "count", "approval_requested"),
            ("steered", "wait", "tool_call_progress"),
            ("cancelled", "think", "message"),
            ("deleted", "think", "message"),
        ):
            await began.begin(part, task, until)
        await versions.start(then)
        yield began


async def test_each_says_which_version_it_is(scene: Scene) -> None:
    told = [(await mesh.stub.GetAgent(pb.GetAgentRequest())).agent.version for mesh in (scene.first, scene.then)]
    assert sorted(told) == sorted([PREVIOUS.version, version("meshwright")])
    assert PREVIOUS.version != version("meshwright")


@pytest.mark.parametrize("part", ["done", "family", "asked"])
async def test_the_other_reads_sessions_and_runs_as_they_are(scene: Scene, part: str) -> None:
    here, there = [await records(mesh, scene.runs[part]) for mesh in (scene.first, scene.then)]
    assert here == there


async def test_a_repeated_request_gives_the_first_one_s_run(scene: Scene) -> None:
    run = scene.runs["done"]
    again = await scene.then.start(run.session_id, "hello", request_id="begin-done")
    assert again.run_id == run.run_id


async def test_the_other_goes_on_with_a_session(scene: Scene) -> None:
    run = scene.runs["done"]
    more = await scene.then.start(run.session_id, "and then")
    events = await scene.then.events(run.session_id, more.run_id)
    assert_whole(events)
    assert end(events, more.run_id).answer == "hello / and then"


async def test_the_other_steers_a_run_at_work(scene: Scene) -> None:
    run = scene.runs["steered"]
    steer = pb.SteerRunRequest(session_id=run.session_id, text="also", request_id="steer")
    await scene.then.stub.SteerRun(steer)
    scene.gate.set()
    events = await scene.then.events(run.session_id, run.run_id)
    assert_whole(events)
    assert end(events, run.run_id).answer == "wait / also"
    assert [event.run_started.attempt for event in events if event.HasField("run_started")] == [1]


async def test_the_other_s_approval_lets_a_call_be_made(scene: Scene) -> None:
    run = scene.runs["asked"]
    listing = pb.ListApprovalsRequest(session_id=run.session_id, pending_only=True)
    (asked,) = (await scene.then.stub.ListApprovals(listing)).approvals
    assert scene.counted == []
    decision = pb.ApprovalDecision(approve=pb.Approve())
    answer = pb.ResolveApprovalRequest(session_id=run.session_id, approval_id=asked.approval_id, decision=decision)
    settled = (await scene.then.stub.ResolveApproval(answer)).approval
    assert settled.state == ApprovalState.APPROVAL_STATE_APPROVED
    events = await scene.first.events(run.session_id, run.run_id)
    assert_whole(events)
    assert (end(events, run.run_id).answer, scene.counted) == ("Counted.", ["test.count"])


async def test_the_other_cancels_a_queued_run_and_the_one_at_work(scene: Scene) -> None:
    run = scene.runs["cancelled"]
    behind = await scene.then.start(run.session_id, "never begun")
    queued = pb.CancelRunRequest(session_id=run.session_id, run_id=behind.run_id)
    assert (await scene.then.stub.CancelRun(queued)).run.state == RunState.RUN_STATE_FINISHED
    await scene.then.stub.CancelRun(pb.CancelRunRequest(session_id=run.session_id, run_id=run.run_id))
    events = await scene.first.events(run.session_id, run.run_id)
    assert_whole(events)
    for run_id in (behind.run_id, run.run_id):
        assert end(events, run_id).outcome == RunOutcome.RUN_OUTCOME_CANCELLED


async def test_the_other_deletes_a_session_with_a_run_at_work(scene: Scene) -> None:
    session_id = scene.runs["deleted"].session_id
    watch = scene.first.stub.WatchSession(pb.WatchSessionRequest(session_id=session_id))
    await watch.wait_for_connection()
    await scene.then.stub.DeleteSession(pb.DeleteSessionRequest(session_id=session_id))
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            async for _ in watch:
                pass
    assert MeshError.from_rpc_error(ended.value).reason_name == "SESSION_NOT_FOUND"
    with pytest.raises(grpc.aio.AioRpcError) as gone:
        await scene.first.stub.GetSession(pb.GetSessionRequest(session_id=session_id))
    assert MeshError.from_rpc_error(gone.value).reason_name == "SESSION_NOT_FOUND"


async def test_a_watcher_of_each_sees_the_same_run_live(scene: Scene) -> None:
    session_id = await scene.first.new_session()
    run = await scene.then.start(session_id, "plan")
    seen = await asyncio.gather(*(mesh.events(session_id, run.run_id) for mesh in (scene.first, scene.then)))
    assert_whole(seen[0])
    assert as_written(*seen[0]) == as_written(*seen[1])


async def test_both_give_every_event_of_every_session_alike(scene: Scene) -> None:
    """The last test of the scene: by now both have written into it."""
    listed = [(await mesh.stub.ListSessions(pb.ListSessionsRequest())).sessions for mesh in (scene.first, scene.then)]
    assert as_written(*listed[0]) == as_written(*listed[1])
    assert listed[0]
    for session in listed[0]:
        unary = [await replayed(mesh, session.session_id, session.last_sequence) for mesh in (scene.first, scene.then)]
        streamed = await conversed(scene.then, session.session_id, session.last_sequence)
        assert as_written(*unary[0]) == as_written(*unary[1]) == as_written(*streamed)


async def replayed(mesh: AgentMesh, session_id: str, until: int) -> list[Event]:
    """The events that are stored, by WatchSession."""
    watch = mesh.stub.WatchSession(pb.WatchSessionRequest(session_id=session_id))
    try:
        return await gathered(watch, until)
    finally:
        watch.cancel()


async def conversed(mesh: AgentMesh, session_id: str, until: int) -> list[Event]:
    """The events that are stored, by Converse."""
    stream = mesh.stub.Converse()
    start = pb.ConverseStart(session_id=session_id)
    await stream.write(pb.ConverseRequest(command_id="attach", start=start))
    try:
        return await gathered(stream, until)
    finally:
        stream.cancel()


async def gathered(stream: AsyncIterable[pb.WatchSessionResponse | pb.ConverseResponse], until: int) -> list[Event]:
    events: list[Event] = []
    async with asyncio.timeout(PATIENCE):
        async for response in stream:
            events += response.events
            if len(events) >= until:
                break
    return events


async def records(mesh: AgentMesh, run: Run) -> list[bytes]:
    """What is kept about a session and its run."""
    session_id, stub = run.session_id, mesh.stub
    return as_written(
        await stub.GetSession(pb.GetSessionRequest(session_id=session_id)),
        await stub.GetRun(pb.GetRunRequest(session_id=session_id, run_id=run.run_id)),
        await stub.ListRuns(pb.ListRunsRequest(session_id=session_id)),
        await stub.ListApprovals(pb.ListApprovalsRequest(session_id=session_id)),
    )


def as_written(*messages: Message) -> list[bytes]:
    """Messages with all that was sent, fields included that this version does not know."""
    return [message.SerializeToString(deterministic=True) for message in messages]
