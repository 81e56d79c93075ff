"""A replica that is told to stop hands its runs over: after their step where that ends soon, as they are otherwise."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from meshwright.agent import dispatcher
from meshwright.serving.channel import open_channel
from meshwright.tools.tool import Annotations, Tool
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
from meshwright.v1.event_pb2 import Event
from meshwright.v1.run_pb2 import RunOptions, RunOutcome
from meshwright.v1.tool_pb2 import ToolOutcome
from tests.model_script import Call, Hang, Request, Say, Script, Steps, Tokens, in_turn
from tests.support.agent_mesh import PATIENCE, AgentMesh, agent_mesh
from tests.support.agent_tools import counting_tool, gate_tool

GRACE = 0.5
ATTEMPTS = [1, 2]
SUCCEEDED, UNKNOWN = ToolOutcome.TOOL_OUTCOME_SUCCEEDED, ToolOutcome.TOOL_OUTCOME_UNKNOWN
GOES_ON = Say("It went on.")


class Stopped(NamedTuple):
    """A run in whose middle its replica was stopped."""

    session_id: str
    run_id: str
    frames: list[pb.WatchSessionResponse]
    """What a watcher was sent until the stream's end."""
    seconds: float
    """How long the stop took."""


@pytest.fixture(params=["sqlite", "redis"])
def store_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("redis_url")) if request.param == "redis" else ""


async def stopped(
    folder: Path,
    store_url: str,
    script: Script | Steps,
    kind: str,
    tools: Sequence[Tool] | None = None,
    *,
    options: RunOptions | None = None,
    during: Callable[[], None] = lambda: None,
    grace: float = GRACE,
    approvals: str = "annotated",
) -> Stopped:
    """Start a run and stop its replica at the first event of a kind; `during` is called while it stops."""
    async with agent_mesh(
        folder, script, tools, store_url=store_url, hand_over_grace=grace, stop_grace=1.0, approvals=approvals
    ) as mesh:
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "work", options=options)
        watching = asyncio.create_task(frames_of(mesh, session_id))
        await mesh.wait_for(session_id, kind)
        asyncio.get_running_loop().call_later(0.1, during)
        began = time.monotonic()
    return Stopped(session_id, run.run_id, await watching, time.monotonic() - began)


async def frames_of(mesh: AgentMesh, session_id: str) -> list[pb.WatchSessionResponse]:
    """What a client of its own is sent, which outlives the mesh."""
    request = pb.WatchSessionRequest(session_id=session_id)
    async with open_channel(mesh.address) as channel, asyncio.timeout(PATIENCE):
        return [frame async for frame in AgentServiceStub(channel).WatchSession(request)]


async def gone_on(
    folder: Path,
    store_url: str,
    run: Stopped,
    script: Script | Steps = GOES_ON,
    tools: Sequence[Tool] | None = None,
) -> list[Event]:
    """All events of the run, which the next process ends."""
    async with agent_mesh(folder, script, tools, store_url=store_url) as mesh:
        events = await mesh.events(run.session_id, run.run_id)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert [event.WhichOneof("kind") for event in events].count("run_finished") == 1
    return events


def attempts(events: list[Event]) -> list[int]:
    return [event.run_started.attempt for event in events if event.HasField("run_started")]


def calls(events: list[Event]) -> list[tuple[str, int]]:
    started = [event.tool_call_started for event in events if event.HasField("tool_call_started")]
    return [(call.tool, call.attempt) for call in started]


def outcomes(events: list[Event]) -> dict[str, int]:
    ended = [event.tool_call_finished for event in events if event.HasField("tool_call_finished")]
    assert len(ended) == len({call.call_id for call in ended})
    return {call.tool: call.completion.outcome for call in ended}


async def test_a_step_that_ends_soon_is_ended_and_the_next_process_begins_with_the_next(
    tmp_path: Path, store_url: str
) -> None:
    made: list[str] = []
    gate = asyncio.Event()
    change = counting_tool("test.change", Annotations(), made, gate)
    script = in_turn(Call("test.change", {}), GOES_ON)
    run = await stopped(tmp_path, store_url, script, "tool_call_progress", [change], during=gate.set, grace=PATIENCE)
    assert run.seconds < GRACE * 10
    events = await gone_on(tmp_path, store_url, run, script, [change])
    assert (made, calls(events), outcomes(events)) == (
        ["test.change"],
        [("test.change", 1)],
        {"test.change": SUCCEEDED},
    )
    assert attempts(events) == ATTEMPTS
    seen = [event for frame in run.frames for event in frame.events]
    assert seen == events[: len(seen)]
    assert seen[-1].HasField("tool_call_finished")
    assert run.frames[-1].going_away.cursor == seen[-1].sequence


async def test_an_answer_that_ends_soon_is_the_end_of_the_run(tmp_path: Path, store_url: str) -> None:
    run = await stopped(tmp_path, store_url, Tokens(20, 0.02), "text_delta", grace=PATIENCE)
    events = await gone_on(tmp_path, store_url, run)
    assert attempts(events) == [1]
    assert events[-1].run_finished.outcome == RunOutcome.RUN_OUTCOME_COMPLETED


async def test_an_answer_that_takes_longer_is_given_anew_and_costs_no_step(tmp_path: Path, store_url: str) -> None:
    requests: list[Request] = []

    def script(request: Request) -> Steps:
        requests.append(request)
        return GOES_ON

    options = RunOptions(max_steps=1)
    run = await stopped(tmp_path, store_url, [Say("Half of it"), Hang()], "text_delta", options=options)
    events = await gone_on(tmp_path, store_url, run, script)
    said = [(event.message.text, event.message.partial) for event in events if event.message.step]
    assert said[-1] == ("It went on.", False)
    assert [partial for _, partial in said] == [True, False]
    assert events[-1].run_finished.answer == "It went on."
    assert [message["role"] for message in requests[0].messages] == ["system", "user"]


async def test_calls_that_take_longer_are_made_again_or_unknown(tmp_path: Path, store_url: str) -> None:
    made: list[str] = []
    gate = asyncio.Event()
    tools = [
        counting_tool("test.look", Annotations(read_only=True), made, gate),
        counting_tool("test.change", Annotations(), made, gate),
        counting_tool("test.fast", Annotations(), made, opened()),
    ]
    script = in_turn([Call("test.look", {}), Call("test.change", {}), Call("test.fast", {})], GOES_ON)
    run = await stopped(tmp_path, store_url, script, "tool_call_finished", tools)
    gate.set()
    events = await gone_on(tmp_path, store_url, run, script, tools)
    assert sorted(made) == ["test.change", "test.fast", "test.look", "test.look"]
    assert sorted(calls(events)) == [("test.change", 1), ("test.fast", 1), ("test.look", 1), ("test.look", 2)]
    assert outcomes(events) == {"test.look": SUCCEEDED, "test.change": UNKNOWN, "test.fast": SUCCEEDED}


def opened() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


async def test_a_run_that_waits_for_a_person_is_handed_over_at_once(tmp_path: Path, store_url: str) -> None:
    script = in_turn(Call("file.write", {"path": "a.txt", "content": "a"}), GOES_ON)
    run = await stopped(tmp_path, store_url, script, "approval_requested", grace=PATIENCE, approvals="file.write")
    assert run.seconds < PATIENCE / 4
    async with agent_mesh(tmp_path, script, store_url=store_url, approvals="file.write") as mesh:
        request = pb.ListApprovalsRequest(session_id=run.session_id, pending_only=True)
        (question,) = (await mesh.stub.ListApprovals(request)).approvals
        approve = pb.ApprovalDecision(approve=pb.Approve())
        await mesh.stub.ResolveApproval(
            pb.ResolveApprovalRequest(session_id=run.session_id, approval_id=question.approval_id, decision=approve)
        )
        events = await mesh.events(run.session_id, run.run_id)
    assert outcomes(events) == {"file.write": SUCCEEDED}
    assert events[-1].run_finished.answer == "It went on."


async def test_another_replica_has_the_run_long_before_its_lease_is_over(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "LEASE_SECONDS", PATIENCE)
    gate = asyncio.Event()
    tools = [gate_tool(gate)]
    script = in_turn(Call("test.wait", {}), GOES_ON)
    async with AsyncExitStack() as stack, AsyncExitStack() as first:
        mesh = await first.enter_async_context(agent_mesh(tmp_path / "first", script, tools, store_url=redis_url))
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "work")
        await mesh.wait_for(session_id, "tool_call_progress")
        other = await stack.enter_async_context(agent_mesh(tmp_path / "other", script, tools, store_url=redis_url))
        watching = asyncio.create_task(other.events(session_id, run.run_id))
        began = time.monotonic()
        gate.set()
        await first.aclose()
        events = await watching
    assert time.monotonic() - began < PATIENCE / 2
    assert attempts(events) == ATTEMPTS
    assert events[-1].run_finished.answer == "It went on."
