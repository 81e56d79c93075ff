"""The agent on the shared store: both doors, inputs, approvals, cancels, and a second replica that takes over."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.event_pb2 import ApprovalState, Event
from meshwright.v1.run_pb2 import DisconnectPolicy, RunOutcome, RunSpec
from tests.model_script import Call, Hang, Request, Say, Steps, in_turn
from tests.support.agent_mesh import PATIENCE, AgentMesh, ConverseDoor, Door, UnaryDoor, agent_mesh
from tests.support.agent_replicas import agent_fleet
from tests.support.agent_tools import gate_tool, waiting_tool

DOORS: dict[str, Door] = {"unary": UnaryDoor(), "converse": ConverseDoor()}
WRITE = Call("file.write", {"path": "a.txt", "content": "hello"})


@pytest.fixture(params=list(DOORS))
def door(request: pytest.FixtureRequest) -> Door:
    return DOORS[request.param]


def whole(events: list[Event]) -> bool:
    """Whether the events are the session's first ones, none missing, with one end."""
    ends = [event for event in events if event.HasField("run_finished")]
    return [event.sequence for event in events] == list(range(1, len(events) + 1)) and len(ends) == 1


async def test_a_run_with_tools_goes_through_both_doors(tmp_path: Path, redis_url: str, door: Door) -> None:
    script = in_turn([WRITE, Call("file.list", {})], Say("Written and listed."))
    async with agent_mesh(tmp_path, script, store_url=redis_url) as mesh:
        session_id = await mesh.new_session()
        seen = await door.run(mesh, session_id, RunSpec(task="write"))
        session = (await mesh.stub.GetSession(pb.GetSessionRequest(session_id=session_id))).session
    assert seen.error is None
    assert whole(seen.events)
    assert seen.kinds.count("tool_call_started") == seen.kinds.count("tool_call_finished") == 2
    assert seen.events[-1].run_finished.answer == "Written and listed."
    assert session.last_sequence == len(seen.events)
    assert session.usage.model_calls == 2


async def test_a_run_is_cancelled_through_both_doors(tmp_path: Path, redis_url: str, door: Door) -> None:
    cancelled = asyncio.Event()
    async with agent_mesh(tmp_path, Call("test.wait", {}), [waiting_tool(cancelled)], store_url=redis_url) as mesh:
        seen = await door.run(mesh, await mesh.new_session(), RunSpec(task="wait"), cancel_at="tool_call_progress")
        await asyncio.wait_for(cancelled.wait(), PATIENCE)
    assert whole(seen.events)
    assert seen.events[-1].run_finished.outcome == RunOutcome.RUN_OUTCOME_CANCELLED


async def test_a_repeated_request_gives_the_same_run(tmp_path: Path, redis_url: str) -> None:
    async with agent_mesh(tmp_path, Say("Once."), store_url=redis_url) as mesh:
        session_id = await mesh.new_session()
        both = [await mesh.start(session_id, "do it", request_id="again") for _ in range(2)]
        events = await mesh.events(session_id, both[0].run_id)
    assert both[0] == both[1]
    assert whole(events)


async def test_an_input_reaches_a_run_at_work(tmp_path: Path, redis_url: str) -> None:
    def script(request: Request) -> Steps:
        said = [str(turn["content"]) for turn in request.body["messages"] if turn["role"] == "user"]
        return Say(" / ".join(said)) if request.step else Call("test.wait", {})

    gate = asyncio.Event()
    async with agent_mesh(tmp_path, script, [gate_tool(gate)], store_url=redis_url) as mesh:
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "one")
        await mesh.wait_for(session_id, "tool_call_progress")
        await mesh.stub.SteerRun(pb.SteerRunRequest(session_id=session_id, text="two", request_id="in-1"))
        gate.set()
        events = await mesh.events(session_id, run.run_id)
    assert whole(events)
    assert events[-1].run_finished.answer == "one / two"


async def test_a_person_is_asked_and_answers(tmp_path: Path, redis_url: str) -> None:
    script = in_turn(WRITE, Say("Done."))
    async with agent_mesh(tmp_path, script, approvals="file.write", store_url=redis_url) as mesh:
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "write")
        asked = await mesh.wait_for(session_id, "approval_requested")
        approval_id = asked.approval_requested.approval.approval_id
        decision = pb.ApprovalDecision(approve=pb.Approve())
        request = pb.ResolveApprovalRequest(session_id=session_id, approval_id=approval_id, decision=decision)
        await mesh.stub.ResolveApproval(request)
        events = await mesh.events(session_id, run.run_id)
        listed = await mesh.stub.ListApprovals(pb.ListApprovalsRequest(session_id=session_id))
    assert whole(events)
    assert [approval.state for approval in listed.approvals] == [ApprovalState.APPROVAL_STATE_APPROVED]
    assert events[-1].run_finished.outcome == RunOutcome.RUN_OUTCOME_COMPLETED


async def test_an_input_through_one_replica_reaches_the_run_of_another(tmp_path: Path, redis_url: str) -> None:
    cancelled = asyncio.Event()
    folders = [tmp_path / name for name in ("a", "b")]
    async with (
        agent_mesh(folders[0], Call("test.wait", {}), [waiting_tool(cancelled)], store_url=redis_url) as first,
        replica(first, folders[1], redis_url) as second,
    ):
        session_id = await first.new_session()
        run = await first.start(session_id, "wait")
        await first.wait_for(session_id, "tool_call_progress")
        watching = asyncio.create_task(second.events(session_id, run.run_id))
        await second.stub.CancelRun(pb.CancelRunRequest(session_id=session_id, run_id=run.run_id))
        events = await watching
    assert whole(events)
    assert events[-1].run_finished.outcome == RunOutcome.RUN_OUTCOME_CANCELLED


async def test_a_client_that_comes_back_at_another_replica_has_not_vanished(tmp_path: Path, redis_url: str) -> None:
    gate = asyncio.Event()
    script = in_turn(Call("test.wait", {}), Say("Still here."))
    here, there = (
        agent_mesh(tmp_path / name, script, [gate_tool(gate)], store_url=redis_url, disconnect_grace=0.3)
        for name in ("here", "there")
    )
    async with here as first, there as second:
        session_id = await first.new_session()
        stream = first.stub.Converse()
        await stream.write(pb.ConverseRequest(command_id="1", start=pb.ConverseStart(session_id=session_id)))
        spec = RunSpec(task="wait")
        spec.options.on_disconnect = DisconnectPolicy.DISCONNECT_POLICY_CANCEL
        await stream.write(pb.ConverseRequest(command_id="2", start_run=pb.StartRunCommand(spec=spec)))
        await second.wait_for(session_id, "run_started")
        back = second.stub.WatchSession(pb.WatchSessionRequest(session_id=session_id))
        await back.read()
        stream.cancel()
        run_id = (await second.stub.ListRuns(pb.ListRunsRequest(session_id=session_id))).runs[0].run_id
        asyncio.get_running_loop().call_later(1.0, gate.set)
        events = await second.events(session_id, run_id)
        back.cancel()
    assert events[-1].run_finished.answer == "Still here."


@contextlib.asynccontextmanager
async def replica(mesh: AgentMesh, folder: Path, redis_url: str) -> AsyncIterator[AgentMesh]:
    """A second mesh on the same store, whose own tools and model play no part."""
    async with agent_mesh(folder, mesh.model.script, [waiting_tool(asyncio.Event())], store_url=redis_url) as second:
        yield second


async def test_a_killed_replica_is_relieved_by_another_while_clients_watch_there(
    tmp_path: Path, redis_url: str
) -> None:
    names = ("first", "second")
    async with (
        agent_fleet(tmp_path, redis_url, [Say("Half of it"), Hang()], names, started=["first"]) as fleet,
        fleet.talking_to("first") as mesh,
    ):
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "talk")
        await mesh.wait_for(session_id, "text_delta")
        await fleet.agents["second"].start()
        async with fleet.talking_to("second") as other:
            watching = asyncio.create_task(other.events(session_id, run.run_id))
            await other.wait_for(session_id, "text_delta")
            fleet.model.script = Say("All of it.")
            await fleet.agents["first"].kill()
            events = await watching
    assert whole(events)
    assert [event.run_started.attempt for event in events if event.HasField("run_started")] == [1, 2]
    assert [event.message.partial for event in events if event.message.step] == [True, False]
    assert events[-1].run_finished.answer == "All of it."
