"""The SDK while a run is at work: inputs to it, and its questions to a person, against a real AgentService."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from meshwright import Mesh
from meshwright.client import (
    ApprovalRequested,
    ApprovalResolved,
    ApprovalState,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Run,
    RunFinished,
    RunStream,
    Session,
    SteeringMode,
    SteeringReceipt,
    SteeringState,
    ToolCallFinished,
    ToolCallStarted,
    ToolOutcome,
)
from tests.model_script import Call, Request, Say, Steps, in_turn
from tests.support.scripted_tools import Gates, scripted_tools
from tests.support.sdk_agent import sdk_agent

if TYPE_CHECKING:
    from pathlib import Path

WRITE = in_turn(Call("file.write", {"path": "a.txt", "content": "as the model wanted"}), Say("written"))


def pass_then_obey(request: Request) -> Steps:
    """Wait in a tool first, and then say what the user said last."""
    called = any(message["role"] == "tool" for message in request.messages)
    return Say(f"Last heard: {request.last_user_text}") if called else Call("test.gate", {"name": "a"})


@pytest.mark.parametrize("through", ["stream", "run", "session"])
async def test_an_input_reaches_a_run_at_work(tmp_path: Path, through: str) -> None:
    gates = Gates()
    async with sdk_agent(tmp_path, pass_then_obey, scripted_tools(gates)) as agent, Mesh(agent.name) as mesh:
        session = await mesh.create_session()
        stream = session.run("go")
        receipts = []
        async for event in stream:
            if isinstance(event, ToolCallStarted):
                run = session.existing_run(stream.run_id)
                targets: dict[str, RunStream | Run | Session] = {"stream": stream, "run": run, "session": session}
                status = await targets[through].steer("and hurry")
                assert (status.text, status.mode, status.state) == (
                    "and hurry",
                    SteeringMode.STEER,
                    SteeringState.ACCEPTED,
                )
                gates.open("a")
            if isinstance(event, SteeringReceipt):
                receipts.append(event.state)
                assert event.steering_id == status.steering_id
        assert isinstance(event, RunFinished)
        assert event.answer == "Last heard: and hurry"
        assert receipts == [SteeringState.ACCEPTED, SteeringState.APPLIED]
        with pytest.raises(FailedPrecondition) as refusal:
            await run.steer("too late", mode=SteeringMode.STEER)
        assert refusal.value.reason == "RUN_FINISHED"


async def test_a_person_approves_edits_and_denies(tmp_path: Path) -> None:
    async with sdk_agent(tmp_path, WRITE, None, approvals="file.write") as agent, Mesh(agent.name) as mesh:
        written: dict[str, str] = {}
        session = await mesh.create_session()
        for answer in ("approve", "edit", "deny"):
            async for event in session.run(answer):
                if isinstance(event, ApprovalRequested):
                    asked = event.approval
                    assert [found.approval_id async for found in session.approvals()] == [asked.approval_id]
                    assert (asked.tool, asked.arguments["path"], asked.state) == (
                        "file.write",
                        "a.txt",
                        ApprovalState.PENDING,
                    )
                    if answer == "deny":
                        await session.deny(asked.approval_id, comment="not today")
                    else:
                        edited = {"path": "b.txt", "content": "as I want it"} if answer == "edit" else None
                        resolved = await session.approve(asked.approval_id, arguments=edited)
                        assert resolved.state is ApprovalState.APPROVED
                if isinstance(event, ApprovalResolved) and answer == "edit":
                    assert event.edited_arguments == {"path": "b.txt", "content": "as I want it"}
                if isinstance(event, ToolCallFinished):
                    written[answer] = event.outcome
        assert written == {
            "approve": ToolOutcome.SUCCEEDED,
            "edit": ToolOutcome.SUCCEEDED,
            "deny": ToolOutcome.DENIED,
        }
        workspace = agent.folder / "workspaces" / session.session_id
        assert {path.name: path.read_text() for path in workspace.glob("*.txt")} == {
            "a.txt": "as the model wanted",
            "b.txt": "as I want it",
        }
        assert [found.state async for found in session.approvals()] == []
        assert len([found async for found in session.approvals(pending_only=False, page_size=1)]) == 3


async def test_wrong_answers_are_refused(tmp_path: Path) -> None:
    async with sdk_agent(tmp_path, WRITE, None, approvals="file.write") as agent, Mesh(agent.name) as mesh:
        session = await mesh.create_session()
        stream = session.run("write")
        async for event in stream:
            if isinstance(event, ApprovalRequested):
                asked = event.approval
                with pytest.raises(InvalidArgument) as malformed:
                    await session.approve(asked.approval_id, arguments={"path": 3})
                assert malformed.value.reason == "TOOL_ARGUMENTS"
                with pytest.raises(NotFound):
                    await session.deny("apr_0")
                await session.deny(asked.approval_id)
        with pytest.raises(FailedPrecondition) as closed:
            await session.approve(asked.approval_id)
        assert closed.value.reason == "APPROVAL_CLOSED"
