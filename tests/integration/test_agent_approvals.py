"""Calls that wait for a person, through both doors: approve, edit, deny, expire, withdraw, and go on after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import grpc
import pytest

from meshwright.serving.errors import MeshError
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.event_pb2 import Approval, ApprovalState, Event
from meshwright.v1.run_pb2 import RunOutcome
from meshwright.v1.tool_pb2 import ToolOutcome
from tests.model_script import Call, Say, in_turn
from tests.support.agent_mesh import PATIENCE, AgentMesh, agent_mesh

WRITE = Call("file.write", {"path": "a.txt", "content": "as the model wanted"})
READ = Call("file.read", {"path": "a.txt"})
APPROVED, DENIED = ApprovalState.APPROVAL_STATE_APPROVED, ApprovalState.APPROVAL_STATE_DENIED
EXPIRED, CANCELLED = ApprovalState.APPROVAL_STATE_EXPIRED, ApprovalState.APPROVAL_STATE_CANCELLED


def approve(comment: str = "", **edited: str) -> pb.ApprovalDecision:
    decision = pb.ApprovalDecision(approve=pb.Approve(), comment=comment)
    if edited:
        decision.approve.edited_arguments.update(edited)
    return decision


def deny(comment: str = "") -> pb.ApprovalDecision:
    return pb.ApprovalDecision(deny=pb.Deny(), comment=comment)


class ApprovalDoor(Protocol):
    """A way to answer."""

    async def resolve(
        self, mesh: AgentMesh, session_id: str, approval_id: str, decision: pb.ApprovalDecision
    ) -> Approval: ...


class UnaryDoor:
    async def resolve(
        self, mesh: AgentMesh, session_id: str, approval_id: str, decision: pb.ApprovalDecision
    ) -> Approval:
        request = pb.ResolveApprovalRequest(session_id=session_id, approval_id=approval_id, decision=decision)
        try:
            return (await mesh.stub.ResolveApproval(request)).approval
        except grpc.aio.AioRpcError as error:
            raise MeshError.from_rpc_error(error) from error


class ConverseDoor:
    async def resolve(
        self, mesh: AgentMesh, session_id: str, approval_id: str, decision: pb.ApprovalDecision
    ) -> Approval:
        stream = mesh.stub.Converse()
        await stream.write(pb.ConverseRequest(command_id="open", start=pb.ConverseStart(session_id=session_id)))
        command = pb.ResolveApprovalCommand(approval_id=approval_id, decision=decision)
        command_id = uuid4().hex
        await stream.write(pb.ConverseRequest(command_id=command_id, resolve_approval=command))
        try:
            async with asyncio.timeout(PATIENCE):
                async for response in stream:
                    if response.receipt.command_id == command_id:
                        if response.receipt.HasField("error"):
                            raise MeshError.from_status(response.receipt.error)
                        return response.receipt.approval
        finally:
            stream.cancel()
        raise AssertionError("the stream ended without a receipt")


DOORS: dict[str, ApprovalDoor] = {"unary": UnaryDoor(), "converse": ConverseDoor()}


@pytest.fixture(params=list(DOORS))
def door(request: pytest.FixtureRequest) -> ApprovalDoor:
    return DOORS[request.param]


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[AgentMesh]:
    async with agent_mesh(tmp_path, in_turn(WRITE, Say("Done.")), approvals="file.write") as running:
        yield running


async def asked(mesh: AgentMesh, count: int = 1) -> tuple[str, str, list[Approval]]:
    """A run that waits for so many answers: its session, its id and the questions, the oldest first."""
    session_id = await mesh.new_session()
    run = await mesh.start(session_id, "write")
    return session_id, run.run_id, await questions(mesh, session_id, count)


async def questions(mesh: AgentMesh, session_id: str, count: int) -> list[Approval]:
    await mesh.wait_for(session_id, "approval_requested")
    request = pb.ListApprovalsRequest(session_id=session_id, pending_only=True)
    found = (await mesh.stub.ListApprovals(request)).approvals
    assert len(found) == count
    return list(found)[::-1]


def states(events: list[Event]) -> list[int]:
    return [event.approval_resolved.state for event in events if event.HasField("approval_resolved")]


def outcomes(events: list[Event]) -> list[int]:
    started = [event.tool_call_started.call_id for event in events if event.HasField("tool_call_started")]
    ended = [event.tool_call_finished for event in events if event.HasField("tool_call_finished")]
    assert sorted(started) == sorted(call.call_id for call in ended)
    return [call.completion.outcome for call in ended]


async def test_an_approved_call_is_made(mesh: AgentMesh, door: ApprovalDoor) -> None:
    session_id, run_id, (question,) = await asked(mesh)
    assert (question.call.tool, question.call.arguments["path"]) == ("file.write", "a.txt")
    assert question.arguments_schema["type"] == "object"
    assert not list((mesh.data_dir / "workspaces").rglob("a.txt"))

    answered = await door.resolve(mesh, session_id, question.approval_id, approve())
    assert answered.state == APPROVED
    events = await mesh.events(session_id, run_id)
    assert (states(events), outcomes(events)) == ([APPROVED], [ToolOutcome.TOOL_OUTCOME_SUCCEEDED])
    (written,) = (mesh.data_dir / "workspaces").rglob("a.txt")
    assert written.read_text() == "as the model wanted"


async def test_a_person_may_edit_the_arguments(mesh: AgentMesh, door: ApprovalDoor) -> None:
    session_id, run_id, (question,) = await asked(mesh)
    edited = approve(path="b.txt", content="as the person wanted")
    await door.resolve(mesh, session_id, question.approval_id, edited)
    events = await mesh.events(session_id, run_id)
    (started,) = [event.tool_call_started for event in events if event.HasField("tool_call_started")]
    assert started.arguments["path"] == "b.txt"
    (written,) = (mesh.data_dir / "workspaces").rglob("*.txt")
    assert (written.name, written.read_text()) == ("b.txt", "as the person wanted")
    assert "b.txt" in str(mesh.model.requests[-1].body["messages"])


async def test_edited_arguments_must_fit_the_tool(mesh: AgentMesh, door: ApprovalDoor) -> None:
    session_id, _, (question,) = await asked(mesh)
    with pytest.raises(MeshError) as caught:
        await door.resolve(mesh, session_id, question.approval_id, approve(wrong="field"))
    assert caught.value.reason_name == "TOOL_ARGUMENTS"
    assert all(violation.field.startswith("arguments") for violation in caught.value.violations)
    assert len(await questions(mesh, session_id, 1)) == 1


async def test_a_denied_call_is_not_made_and_the_model_is_told_why(mesh: AgentMesh, door: ApprovalDoor) -> None:
    session_id, run_id, (question,) = await asked(mesh)
    await door.resolve(mesh, session_id, question.approval_id, deny("not in this folder"))
    events = await mesh.events(session_id, run_id)
    assert (states(events), outcomes(events)) == ([DENIED], [ToolOutcome.TOOL_OUTCOME_DENIED])
    assert "not in this folder" in mesh.model.requests[-1].tool_results[0]
    assert events[-1].run_finished.outcome == RunOutcome.RUN_OUTCOME_COMPLETED
    assert not list((mesh.data_dir / "workspaces").rglob("a.txt"))


async def test_the_same_answer_may_be_repeated_and_another_may_not(mesh: AgentMesh, door: ApprovalDoor) -> None:
    session_id, run_id, (question,) = await asked(mesh)
    await door.resolve(mesh, session_id, question.approval_id, approve())
    assert (await door.resolve(mesh, session_id, question.approval_id, approve())).state == APPROVED
    with pytest.raises(MeshError) as caught:
        await door.resolve(mesh, session_id, question.approval_id, deny())
    assert (caught.value.reason_name, caught.value.metadata["state"]) == ("APPROVAL_CLOSED", "APPROVED")
    assert states(await mesh.events(session_id, run_id)) == [APPROVED]


async def test_an_unknown_approval_is_not_found(mesh: AgentMesh, door: ApprovalDoor) -> None:
    with pytest.raises(MeshError) as caught:
        await door.resolve(mesh, await mesh.new_session(), "apr_none", approve())
    assert caught.value.reason_name == "APPROVAL_NOT_FOUND"


async def test_several_questions_are_open_at_once_and_answered_one_by_one(tmp_path: Path, door: ApprovalDoor) -> None:
    calls = [Call("file.write", {"path": f"{name}.txt", "content": name}) for name in "abc"]
    script = in_turn([*calls, Call("file.list", {})], Say("Done."))
    async with agent_mesh(tmp_path, script, approvals="file.write") as mesh:
        session_id, run_id, open_ = await asked(mesh, 3)
        await mesh.wait_for(session_id, "tool_call_finished")
        await door.resolve(mesh, session_id, open_[2].approval_id, approve())
        assert len(await questions(mesh, session_id, 2)) == 2
        await door.resolve(mesh, session_id, open_[0].approval_id, deny())
        await door.resolve(mesh, session_id, open_[1].approval_id, approve())
        events = await mesh.events(session_id, run_id)
    assert states(events) == [APPROVED, DENIED, APPROVED]
    assert sorted(path.name for path in (tmp_path / "workspaces").rglob("*.txt")) == ["b.txt", "c.txt"]


async def test_a_question_that_nobody_answers_expires_as_a_refusal(tmp_path: Path) -> None:
    script = in_turn(WRITE, Say("Then not."))
    async with agent_mesh(tmp_path, script, approvals="file.write", approval_timeout=0.1) as mesh:
        events = await mesh.do("write")
    assert (states(events), outcomes(events)) == ([EXPIRED], [ToolOutcome.TOOL_OUTCOME_DENIED])
    assert events[-1].run_finished.answer == "Then not."


async def test_cancelling_the_run_withdraws_its_questions(mesh: AgentMesh, door: ApprovalDoor) -> None:
    session_id, run_id, (question,) = await asked(mesh)
    await mesh.stub.CancelRun(pb.CancelRunRequest(session_id=session_id))
    events = await mesh.events(session_id, run_id)
    assert (states(events), outcomes(events)) == ([CANCELLED], [ToolOutcome.TOOL_OUTCOME_CANCELLED])
    with pytest.raises(MeshError) as caught:
        await door.resolve(mesh, session_id, question.approval_id, approve())
    assert caught.value.reason_name == "APPROVAL_CLOSED"


async def test_a_question_survives_the_end_of_the_process(tmp_path: Path, door: ApprovalDoor) -> None:
    calls = [READ, WRITE]
    async with agent_mesh(tmp_path, in_turn(calls, Say("Done.")), approvals="file.write") as mesh:
        session_id, run_id, (question,) = await asked(mesh)
        await mesh.wait_for(session_id, "tool_call_finished")
    async with agent_mesh(tmp_path, in_turn(calls, Say("Done.")), approvals="file.write") as mesh:
        assert [found.approval_id for found in await questions(mesh, session_id, 1)] == [question.approval_id]
        await door.resolve(mesh, session_id, question.approval_id, approve())
        events = await mesh.events(session_id, run_id)
    assert states(events) == [APPROVED]
    assert sorted(outcomes(events)) == [ToolOutcome.TOOL_OUTCOME_SUCCEEDED, ToolOutcome.TOOL_OUTCOME_FAILED]
    assert [event.run_started.attempt for event in events if event.HasField("run_started")] == [1, 2]
    assert events[-1].run_finished.answer == "Done."


@pytest.mark.parametrize(
    ("approvals", "waits"),
    [("annotated", False), ("none", False), ("none,file.*", False), ("destructive", True), ("file.*", True)],
)
async def test_settings_say_which_calls_wait(tmp_path: Path, approvals: str, waits: bool) -> None:
    script = in_turn(WRITE, Say("Done."))
    async with agent_mesh(tmp_path, script, approvals=approvals, approval_timeout=0.1) as mesh:
        events = await mesh.do("write")
    assert bool(states(events)) is waits
