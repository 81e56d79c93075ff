"""Signals between replicas may get lost, as with a connection to Redis that breaks: what they were to tell counts all the same."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from meshwright.agent import approving, dispatcher
from meshwright.agent.inputs import Inputs
from meshwright.store.redis.store import RedisStore
from meshwright.store.sqlite.store import SqliteStore
from meshwright.tools.tool import Annotations
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.run_pb2 import RunOutcome, SteeringMode
from meshwright.v1.tool_pb2 import ToolOutcome
from tests.model_script import Call, Hang, Request, Say, Steps, in_turn
from tests.support.agent_mesh import PATIENCE, agent_mesh
from tests.support.agent_tools import counting_tool
from tests.support.delegation import users

SOON = 0.1


@pytest.fixture(autouse=True)
def lost_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    for store in (SqliteStore, RedisStore):
        monkeypatch.setattr(store, "listen", lambda store, listener: None)
    monkeypatch.setattr(dispatcher, "RENEW_SECONDS", SOON)
    monkeypatch.setattr(dispatcher, "CLAIM_RETRY_SECONDS", SOON)
    monkeypatch.setattr(approving, "LOOK_SECONDS", SOON)


async def test_a_run_that_is_cancelled_ends(tmp_path: Path, store_address: str) -> None:
    async with agent_mesh(tmp_path, Hang(), store_url=store_address) as mesh:
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "wait for ever")
        await mesh.wait_for(session_id, "run_started")
        await mesh.stub.CancelRun(pb.CancelRunRequest(session_id=session_id, run_id=run.run_id))
        events = await mesh.events(session_id, run.run_id)
    assert events[-1].run_finished.outcome == RunOutcome.RUN_OUTCOME_CANCELLED


async def test_a_question_that_is_answered_is_closed(tmp_path: Path, store_address: str) -> None:
    write = Call("file.write", {"path": "a.txt", "content": "text"})
    async with agent_mesh(
        tmp_path, in_turn(write, Say("Done.")), approvals="file.write", store_url=store_address
    ) as mesh:
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "write")
        asked = (await mesh.wait_for(session_id, "approval_requested")).approval_requested.approval
        await mesh.stub.ResolveApproval(
            pb.ResolveApprovalRequest(
                session_id=session_id,
                approval_id=asked.approval_id,
                decision=pb.ApprovalDecision(approve=pb.Approve()),
            )
        )
        events = await mesh.events(session_id, run.run_id)
    assert events[-1].run_finished.answer == "Done."


def until_told(request: Request) -> Steps:
    """Thinks for ever until a user says more."""
    return Say(" / ".join(users(request))) if len(users(request)) > 1 else Hang()


async def test_an_input_that_interrupts_does_so(tmp_path: Path, store_address: str) -> None:
    async with agent_mesh(tmp_path, until_told, store_url=store_address) as mesh:
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "think")
        await mesh.model.wait_requests(1)
        await mesh.stub.SteerRun(steering(session_id, SteeringMode.STEERING_MODE_INTERRUPT))
        events = await mesh.events(session_id, run.run_id)
    assert events[-1].run_finished.answer == "think / and more"


async def test_an_input_that_does_not_interrupt_waits_for_the_end_of_the_step(
    tmp_path: Path, store_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = asyncio.Semaphore(0)
    looking = Inputs.look

    async def counted(inputs: Inputs) -> tuple[int, bool]:
        found = await looking(inputs)
        looks.release()
        return found

    monkeypatch.setattr(Inputs, "look", counted)
    called: list[str] = []
    opened = asyncio.Event()
    tools = [counting_tool("test.count", Annotations(), called, opened)]
    script = in_turn(Call("test.count", {}), Say("Counted."))
    async with agent_mesh(tmp_path, script, tools, store_url=store_address) as mesh:
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "count")
        await mesh.wait_for(session_id, "tool_call_progress")
        await mesh.stub.SteerRun(steering(session_id, SteeringMode.STEERING_MODE_STEER))
        async with asyncio.timeout(PATIENCE):
            await looks.acquire()
        opened.set()
        events = await mesh.events(session_id, run.run_id)
    ends = [event.tool_call_finished.completion.outcome for event in events if event.HasField("tool_call_finished")]
    assert set(ends) == {ToolOutcome.TOOL_OUTCOME_SUCCEEDED}
    assert looks.locked(), "it is looked once at each input"


def steering(session_id: str, mode: SteeringMode.ValueType) -> pb.SteerRunRequest:
    return pb.SteerRunRequest(session_id=session_id, text="and more", mode=mode, request_id=f"steer-{session_id}")
