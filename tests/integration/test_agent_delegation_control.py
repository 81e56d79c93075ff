"""Having a say in what sub-agents do, on both stores: cancel, steer, interrupt, approve, delete."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import grpc
import pytest

from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.event_pb2 import ApprovalState, Event, SteeringState
from meshwright.v1.run_pb2 import RunOutcome, RunSpec, RunState, SteeringMode
from meshwright.v1.tool_pb2 import ToolOutcome
from tests.model_script import Call, Request, Say, Script, Steps
from tests.support.agent_mesh import PATIENCE, ConverseDoor, agent_mesh
from tests.support.agent_tools import gate_tool, reluctant_tool, waiting_tool
from tests.support.delegation import (
    assert_whole,
    by_task,
    child_of_task,
    delegate,
    delegations,
    end,
    of_run,
    users,
)

COMPLETED, CANCELLED = RunOutcome.RUN_OUTCOME_COMPLETED, RunOutcome.RUN_OUTCOME_CANCELLED
WAIT = Call("test.wait", {})
WRITE = Call("file.write", {"path": "a.txt", "content": "hello"})


@pytest.fixture(autouse=True)
def on_each_store(store_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESHWRIGHT_STORE_URL", store_address)


def says_what_it_was_told(request: Request) -> Steps:
    """First a call that waits, then all that was said."""
    return WAIT if request.step == 0 and len(users(request)) == 1 else Say(" / ".join(users(request)))


def family(*tasks: str, then: str = "Went on.", part: Script = says_what_it_was_told) -> Script:
    """A run that has a sub-agent for each of these tasks, and then goes on."""

    def plan(request: Request) -> Steps:
        begun = any(message["role"] == "tool" for message in request.messages)
        return Say(then) if begun else [delegate(task) for task in tasks]

    return by_task({"plan": plan, **dict.fromkeys(tasks, part)})


def outcomes(events: Sequence[Event], run_id: str) -> list[int]:
    return [call.completion.outcome for call in delegations(events, run_id)]


async def test_cancelling_a_run_cancels_its_whole_family_first(tmp_path: Path) -> None:
    deeper = by_task(
        {
            "plan": lambda _: [delegate("a"), delegate("b")],
            "a": lambda _: delegate("c"),
            "b": lambda _: WAIT,
            "c": lambda _: WAIT,
        }
    )
    cancelled = asyncio.Event()
    async with agent_mesh(tmp_path, deeper, [waiting_tool(cancelled)]) as mesh:
        session_id = await mesh.new_session()
        root = await mesh.start(session_id, "plan")
        await mesh.events_until(session_id, "tool_call_progress", 2)
        await mesh.stub.CancelRun(pb.CancelRunRequest(session_id=session_id))
        events = await mesh.events(session_id, root.run_id)
        runs = (await mesh.stub.ListRuns(pb.ListRunsRequest(session_id=session_id))).runs
        await asyncio.wait_for(cancelled.wait(), PATIENCE)
    assert_whole(events)
    family_of = [root.run_id, *(child_of_task(events, task) for task in "abc")]
    assert [end(events, run_id).outcome for run_id in family_of] == [CANCELLED] * 4
    assert outcomes(events, root.run_id) == [ToolOutcome.TOOL_OUTCOME_CANCELLED] * 2
    assert {run.state for run in runs} == {RunState.RUN_STATE_FINISHED}
    assert end(events, root.run_id).usage.model_calls == 4


async def test_a_cancel_through_converse_names_the_run_that_it_ends(tmp_path: Path) -> None:
    """The door cancels the run of the first progress: the sub-agent, whose parent goes on."""
    cancelled = asyncio.Event()
    async with agent_mesh(tmp_path, family("wait"), [waiting_tool(cancelled)]) as mesh:
        session_id = await mesh.new_session()
        seen = await ConverseDoor().run(mesh, session_id, RunSpec(task="plan"), cancel_at="tool_call_progress")
    assert_whole(seen.events)
    root = seen.events[0].run_id
    assert end(seen.events, child_of_task(seen.events, "wait")).outcome == CANCELLED
    assert outcomes(seen.events, root) == [ToolOutcome.TOOL_OUTCOME_CANCELLED]
    assert (end(seen.events, root).outcome, end(seen.events, root).answer) == (COMPLETED, "Went on.")


async def test_cancelling_a_sub_agent_leaves_its_siblings_and_its_parent_at_work(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with agent_mesh(tmp_path, family("one", "two"), [gate_tool(gate)]) as mesh:
        session_id = await mesh.new_session()
        root = await mesh.start(session_id, "plan")
        so_far = await mesh.events_until(session_id, "tool_call_progress", 2)
        one = child_of_task(so_far, "one")
        await mesh.stub.CancelRun(pb.CancelRunRequest(session_id=session_id, run_id=one))
        await mesh.wait_for(session_id, "run_finished")
        with pytest.raises(grpc.aio.AioRpcError):
            await mesh.stub.SteerRun(pb.SteerRunRequest(session_id=session_id, run_id=one, text="?", request_id=one))
        gate.set()
        events = await mesh.events(session_id, root.run_id)
    assert_whole(events)
    assert end(events, one).outcome == CANCELLED
    assert end(events, child_of_task(events, "two")).answer == "two"
    assert sorted(outcomes(events, root.run_id)) == [
        ToolOutcome.TOOL_OUTCOME_SUCCEEDED,
        ToolOutcome.TOOL_OUTCOME_CANCELLED,
    ]
    assert end(events, root.run_id).outcome == COMPLETED


@pytest.mark.parametrize("mode", [SteeringMode.STEERING_MODE_STEER, SteeringMode.STEERING_MODE_INTERRUPT])
async def test_an_input_reaches_the_sub_agent_that_it_names(tmp_path: Path, mode: SteeringMode.ValueType) -> None:
    gate = asyncio.Event()
    async with agent_mesh(tmp_path, family("wait"), [gate_tool(gate)]) as mesh:
        session_id = await mesh.new_session()
        root = await mesh.start(session_id, "plan")
        child = (await mesh.wait_for(session_id, "tool_call_progress")).run_id
        request = pb.SteerRunRequest(
            session_id=session_id, run_id=child, text="and more", mode=mode, request_id=session_id
        )
        await mesh.stub.SteerRun(request)
        if mode == SteeringMode.STEERING_MODE_STEER:
            gate.set()
        events = await mesh.events(session_id, root.run_id)
    assert_whole(events)
    receipts = [event for event in events if event.HasField("steering_receipt")]
    assert [event.steering_receipt.state for event in receipts] == [
        SteeringState.STEERING_STATE_ACCEPTED,
        SteeringState.STEERING_STATE_APPLIED,
    ]
    assert {(event.run_id, tuple(event.agent_path)) for event in receipts} == {(child, (child,))}
    assert end(events, child).answer == "wait / and more"
    assert outcomes(events, root.run_id) == [ToolOutcome.TOOL_OUTCOME_SUCCEEDED]


async def test_an_interrupt_of_the_run_ends_its_sub_agents(tmp_path: Path) -> None:
    """An empty run id is the root."""
    cancelled = asyncio.Event()
    async with agent_mesh(tmp_path, family("wait"), [waiting_tool(cancelled)]) as mesh:
        session_id = await mesh.new_session()
        root = await mesh.start(session_id, "plan")
        child = (await mesh.wait_for(session_id, "tool_call_progress")).run_id
        mode = SteeringMode.STEERING_MODE_INTERRUPT
        request = pb.SteerRunRequest(session_id=session_id, text="enough", mode=mode, request_id=session_id)
        await mesh.stub.SteerRun(request)
        events = await mesh.events(session_id, root.run_id)
    assert_whole(events)
    assert end(events, child).outcome == CANCELLED
    assert outcomes(events, root.run_id) == [ToolOutcome.TOOL_OUTCOME_CANCELLED]
    assert {e.run_id for e in events if e.HasField("steering_receipt")} == {root.run_id}
    assert end(events, root.run_id).answer == "Went on."


async def test_a_cancel_on_top_of_an_interrupt_leaves_nothing_open(tmp_path: Path) -> None:
    """The step is being stopped, which takes a moment, when the run is cancelled."""
    asked = asyncio.Event()
    async with agent_mesh(tmp_path, family("wait"), [reluctant_tool(asked)]) as mesh:
        session_id = await mesh.new_session()
        root = await mesh.start(session_id, "plan")
        await mesh.wait_for(session_id, "tool_call_progress")
        mode = SteeringMode.STEERING_MODE_INTERRUPT
        request = pb.SteerRunRequest(session_id=session_id, text="enough", mode=mode, request_id=session_id)
        await mesh.stub.SteerRun(request)
        await asyncio.wait_for(asked.wait(), PATIENCE)
        await mesh.stub.CancelRun(pb.CancelRunRequest(session_id=session_id))
        events = await mesh.events(session_id, root.run_id)
    assert_whole(events)
    assert end(events, child_of_task(events, "wait")).outcome == CANCELLED
    assert end(events, root.run_id).outcome == CANCELLED
    assert outcomes(events, root.run_id) == [ToolOutcome.TOOL_OUTCOME_CANCELLED]
    begun = [event.tool_call_started.call_id for event in events if event.HasField("tool_call_started")]
    ended = [event.tool_call_finished.call_id for event in events if event.HasField("tool_call_finished")]
    assert sorted(begun) == sorted(ended)


@pytest.mark.parametrize("approved", [True, False])
async def test_a_person_answers_a_question_of_a_sub_agent(tmp_path: Path, approved: bool) -> None:
    def part(request: Request) -> Steps:
        return Say(" ".join(request.tool_results)) if request.step else WRITE

    async with agent_mesh(tmp_path, family("write", part=part), approvals="file.write") as mesh:
        session_id = await mesh.new_session()
        root = await mesh.start(session_id, "plan")
        asked = await mesh.wait_for(session_id, "approval_requested")
        approval_id = asked.approval_requested.approval.approval_id
        decision = (
            pb.ApprovalDecision(approve=pb.Approve()) if approved else pb.ApprovalDecision(deny=pb.Deny(), comment="no")
        )
        await mesh.stub.ResolveApproval(
            pb.ResolveApprovalRequest(session_id=session_id, approval_id=approval_id, decision=decision)
        )
        events = await mesh.events(session_id, root.run_id)
    assert_whole(events)
    child = child_of_task(events, "write")
    questions = [event for event in events if event.WhichOneof("kind") in ("approval_requested", "approval_resolved")]
    assert [(event.run_id, tuple(event.agent_path)) for event in questions] == [(child, (child,))] * 2
    expected = ApprovalState.APPROVAL_STATE_APPROVED if approved else ApprovalState.APPROVAL_STATE_DENIED
    assert questions[1].approval_resolved.state == expected
    assert ("denied" in end(events, child).answer) is not approved
    assert outcomes(events, root.run_id) == [ToolOutcome.TOOL_OUTCOME_SUCCEEDED]


async def test_delegating_itself_may_wait_for_a_person_who_changes_the_task(tmp_path: Path) -> None:
    edited = by_task(
        {"plan": [delegate("first idea"), Say("Done.")], "better idea": [Say("Did the better idea.")]},
    )
    async with agent_mesh(tmp_path, edited, approvals="agent.*") as mesh:
        session_id = await mesh.new_session()
        root = await mesh.start(session_id, "plan")
        asked = await mesh.wait_for(session_id, "approval_requested")
        assert not any(e.run_queued.parent_run_id for e in await mesh.events_until(session_id, "message", 1))
        decision = pb.ApprovalDecision(approve=pb.Approve())
        decision.approve.edited_arguments.update({"task": "better idea", "max_steps": 3})
        approval_id = asked.approval_requested.approval.approval_id
        await mesh.stub.ResolveApproval(
            pb.ResolveApprovalRequest(session_id=session_id, approval_id=approval_id, decision=decision)
        )
        events = await mesh.events(session_id, root.run_id)
    assert_whole(events)
    child = child_of_task(events, "better idea")
    assert of_run(events, child)[0].run_queued.spec.options.max_steps == 3
    assert end(events, child).answer == "Did the better idea."


async def test_deleting_the_session_ends_the_family(tmp_path: Path) -> None:
    cancelled = asyncio.Event()
    async with agent_mesh(tmp_path, family("wait"), [waiting_tool(cancelled)]) as mesh:
        session_id = await mesh.new_session()
        await mesh.start(session_id, "plan")
        await mesh.wait_for(session_id, "tool_call_progress")
        await mesh.stub.DeleteSession(pb.DeleteSessionRequest(session_id=session_id))
        await asyncio.wait_for(cancelled.wait(), PATIENCE)
