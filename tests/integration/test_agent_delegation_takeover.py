"""Workers that die or stop while sub-agents work: the next one goes on with the same sub-agents, on both stores."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from meshwright.serving.errors import MeshError
from meshwright.tools.tool import Annotations
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.event_pb2 import Event
from meshwright.v1.run_pb2 import RunOutcome
from meshwright.v1.tool_pb2 import ToolOutcome
from tests.model_script import Call, Hang, Request, Say, Script, Steps
from tests.support.agent_mesh import PATIENCE, agent_mesh
from tests.support.agent_replicas import agent_fleet
from tests.support.agent_tools import counting_tool
from tests.support.delegation import assert_whole, by_task, child_of_task, children, delegate, delegations, end, of_run
from tests.support.half_done import TOKENS_OF_CHILD, HalfDone, leave_half_done

COMPLETED, CANCELLED = RunOutcome.RUN_OUTCOME_COMPLETED, RunOutcome.RUN_OUTCOME_CANCELLED
FAILED, EXPIRED = RunOutcome.RUN_OUTCOME_FAILED, RunOutcome.RUN_OUTCOME_EXPIRED
COUNT = Call("test.count", {})


def attempts(events: Sequence[Event], run_id: str) -> list[int]:
    return [event.run_started.attempt for event in of_run(events, run_id) if event.HasField("run_started")]


def repeats_its_results(request: Request) -> Steps:
    return Say(" + ".join(request.tool_results))


def plan(request: Request) -> Steps:
    """Delegates once, whatever happens to it."""
    begun = any(message["role"] == "tool" for message in request.messages)
    return repeats_its_results(request) if begun else delegate("look")


async def test_a_killed_worker_is_relieved_in_the_middle_of_a_family(tmp_path: Path, store_address: str) -> None:
    """Of three generations the youngest was thinking; every one goes on under the next attempt, and what was done is not done again."""
    made: list[str] = []
    gate = asyncio.Event()
    gate.set()
    tool = counting_tool("test.count", Annotations(), made, gate)
    hanging: dict[str, Script | Sequence[Steps]] = {
        "plan": plan,
        "look": [delegate("look closely"), COUNT, Say("Seen.")],
        "look closely": [COUNT, Hang()],
    }
    async with agent_fleet(
        tmp_path, store_address, by_task(hanging), ("first", "second"), started=["first"], tools=[tool]
    ) as fleet:
        async with fleet.talking_to("first") as mesh:
            session_id = await mesh.new_session()
            run = await mesh.start(session_id, "plan")
            await fleet.model.wait_requests(4, timeout=PATIENCE)
            await fleet.agents["first"].kill()
        fleet.model.script = by_task({**hanging, "look closely": [COUNT, Say("Seen closely.")]})
        await fleet.agents["second"].start()
        async with fleet.talking_to("second") as mesh:
            events = await mesh.events(session_id, run.run_id)
    assert_whole(events)
    look, closely = child_of_task(events, "look"), child_of_task(events, "look closely")
    assert (children(events, run.run_id), children(events, look)) == ([look], [closely])
    assert [attempts(events, run_id) for run_id in (run.run_id, look, closely)] == [[1, 2]] * 3
    assert made == ["test.count"] * 2
    assert [len(delegations(events, run_id)) for run_id in (run.run_id, look)] == [1, 1]
    assert end(events, closely).answer == "Seen closely."
    assert "Seen." in end(events, run.run_id).answer
    assert end(events, run.run_id).usage.model_calls == 7


async def test_a_stopped_worker_hands_its_family_over_after_the_step(tmp_path: Path, store_address: str) -> None:
    made: list[str] = []
    gate = asyncio.Event()
    tool = counting_tool("test.count", Annotations(), made, gate)
    script = by_task({"plan": plan, "look": [COUNT, Say("Seen.")]})
    async with agent_mesh(tmp_path, script, [tool], store_url=store_address, hand_over_grace=PATIENCE) as mesh:
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "plan")
        await mesh.wait_for(session_id, "tool_call_progress")
        asyncio.get_running_loop().call_later(0.1, gate.set)
        began = time.monotonic()
    assert time.monotonic() - began < PATIENCE / 2
    async with agent_mesh(tmp_path, script, [tool], store_url=store_address) as mesh:
        events = await mesh.events(session_id, run.run_id)
    assert_whole(events)
    child = child_of_task(events, "look")
    assert [attempts(events, run_id) for run_id in (run.run_id, child)] == [[1, 2]] * 2
    assert made == ["test.count"]
    assert "Seen." in end(events, run.run_id).answer


async def test_a_stopped_worker_that_cannot_wait_leaves_its_family_as_it_is(tmp_path: Path, store_address: str) -> None:
    made: list[str] = []
    tool = counting_tool("test.count", Annotations(), made, asyncio.Event())
    script = by_task({"plan": plan, "look": [COUNT, Say("Seen.")]})
    asked: list[str] = []
    async with agent_mesh(tmp_path, script, [tool], store_url=store_address, hand_over_grace=0.1) as mesh:
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "plan")
        await mesh.wait_for(session_id, "tool_call_progress")
    asked += [request.last_user_text for request in mesh.model.requests]
    async with agent_mesh(tmp_path, script, [tool], store_url=store_address) as mesh:
        events = await mesh.events(session_id, run.run_id)
    asked += [request.last_user_text for request in mesh.model.requests]
    assert_whole(events)
    child = child_of_task(events, "look")
    assert [attempts(events, run_id) for run_id in (run.run_id, child)] == [[1, 2]] * 2
    (count,) = [e.tool_call_finished for e in of_run(events, child) if e.HasField("tool_call_finished")]
    assert count.completion.outcome == ToolOutcome.TOOL_OUTCOME_UNKNOWN
    assert (made, asked) == (["test.count"], ["plan", "look", "look", "plan"])


async def test_a_stopped_worker_does_not_wait_for_a_person_who_is_asked_by_a_sub_agent(
    tmp_path: Path, store_address: str
) -> None:
    write = Call("file.write", {"path": "a.txt", "content": "hello"})
    script = by_task({"plan": plan, "look": [write, Say("Written.")]})
    mesh_of = partial(agent_mesh, store_url=store_address, approvals="file.write", hand_over_grace=PATIENCE)
    async with mesh_of(tmp_path, script) as mesh:
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "plan")
        asked = await mesh.wait_for(session_id, "approval_requested")
        began = time.monotonic()
    assert time.monotonic() - began < PATIENCE / 2
    async with mesh_of(tmp_path, script) as mesh:
        approval_id = asked.approval_requested.approval.approval_id
        decision = pb.ApprovalDecision(approve=pb.Approve())
        request = pb.ResolveApprovalRequest(session_id=session_id, approval_id=approval_id, decision=decision)
        await mesh.stub.ResolveApproval(request)
        events = await mesh.events(session_id, run.run_id)
    assert_whole(events)
    assert len([event for event in events if event.HasField("approval_requested")]) == 1
    assert "Written." in end(events, run.run_id).answer


@pytest.mark.parametrize(
    ("how", "requests_of_child"),
    [(HalfDone(), 1), (HalfDone(child_begun=True), 1), (HalfDone(child_begun=True, child_ended=True), 0)],
    ids=["not begun", "begun", "ended"],
)
async def test_a_call_goes_on_where_its_sub_agent_is(
    tmp_path: Path, store_address: str, how: HalfDone, requests_of_child: int
) -> None:
    script = by_task({"plan": plan, "look": [Say("Seen.")]})
    session_id, root, half_done = await leave_half_done(store_address, tmp_path, how)
    async with agent_mesh(tmp_path, script, store_url=store_address) as mesh:
        events = await mesh.events(session_id, root)
        asked = [request.last_user_text for request in mesh.model.requests]
    assert_whole(events)
    child = child_of_task(events, "look")
    assert children(events, root) == [child]
    assert (child == half_done) is how.child_begun
    assert attempts(events, child) == ([1] if how.child_ended or not how.child_begun else [1, 2])
    assert asked == ["look"] * requests_of_child + ["plan"]
    (call,) = delegations(events, root)
    assert (call.completion.outcome, call.completion.result.text) == (ToolOutcome.TOOL_OUTCOME_SUCCEEDED, "Seen.")
    used = end(events, root).usage
    assert used.model_calls == 2 + requests_of_child
    assert used.input_tokens == 10 * (1 + requests_of_child) + (TOKENS_OF_CHILD if how.child_begun else 0)


@pytest.mark.parametrize(
    ("how", "outcome", "reason"),
    [
        (HalfDone(child_begun=True, cancelled=True), CANCELLED, ""),
        (HalfDone(child_begun=True, timeout=0.001), EXPIRED, "RUN_EXPIRED"),
        (HalfDone(child_begun=True, model="nobody:nothing"), FAILED, "MODEL_NOT_FOUND"),
    ],
    ids=["cancelled", "expired", "failed"],
)
async def test_a_run_that_cannot_go_on_ends_its_sub_agents_first(
    tmp_path: Path, store_address: str, how: HalfDone, outcome: int, reason: str
) -> None:
    session_id, root, half_done = await leave_half_done(store_address, tmp_path, how)
    async with agent_mesh(tmp_path, Say("never asked"), store_url=store_address) as mesh:
        events = await mesh.events(session_id, root)
        assert mesh.model.requests == []
    assert_whole(events)
    assert (end(events, half_done).outcome, end(events, root).outcome) == (CANCELLED, outcome)
    assert (MeshError.from_status(end(events, root).error).reason_name if reason else "") == reason
    assert [call.completion.outcome for call in delegations(events, root)] == [ToolOutcome.TOOL_OUTCOME_CANCELLED]
    assert end(events, root).usage.input_tokens == TOKENS_OF_CHILD
