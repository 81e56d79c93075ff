"""Inputs that arrive while a run is at work, through both doors: steer, interrupt, enqueue, reject, and their receipts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import grpc
import pytest

from meshwright.serving.errors import MeshError
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.event_pb2 import Event, SteeringReceipt, SteeringState
from meshwright.v1.run_pb2 import RunOutcome, RunSpec, SteeringMode
from tests.model_script import Call, Hang, Request, Say, Steps
from tests.support.agent_mesh import PATIENCE, AgentMesh, agent_mesh
from tests.support.agent_tools import gate_tool, waiting_tool

STEER, INTERRUPT = SteeringMode.STEERING_MODE_STEER, SteeringMode.STEERING_MODE_INTERRUPT
ENQUEUE, REJECT = SteeringMode.STEERING_MODE_ENQUEUE, SteeringMode.STEERING_MODE_REJECT
ACCEPTED, APPLIED = SteeringState.STEERING_STATE_ACCEPTED, SteeringState.STEERING_STATE_APPLIED
RETURNED = SteeringState.STEERING_STATE_RETURNED


class SteeringDoor(Protocol):
    """A way to give an input."""

    async def steer(
        self, mesh: AgentMesh, session_id: str, text: str, mode: SteeringMode.ValueType, request_id: str
    ) -> SteeringReceipt: ...


class UnaryDoor:
    async def steer(
        self, mesh: AgentMesh, session_id: str, text: str, mode: SteeringMode.ValueType, request_id: str
    ) -> SteeringReceipt:
        request = pb.SteerRunRequest(request_id=request_id, session_id=session_id, text=text, mode=mode)
        try:
            return (await mesh.stub.SteerRun(request)).receipt
        except grpc.aio.AioRpcError as error:
            raise MeshError.from_rpc_error(error) from error


class ConverseDoor:
    async def steer(
        self, mesh: AgentMesh, session_id: str, text: str, mode: SteeringMode.ValueType, request_id: str
    ) -> SteeringReceipt:
        stream = mesh.stub.Converse()
        await stream.write(pb.ConverseRequest(command_id="open", start=pb.ConverseStart(session_id=session_id)))
        command = pb.SteerRunCommand(text=text, mode=mode)
        await stream.write(pb.ConverseRequest(command_id=request_id, steer_run=command))
        try:
            async with asyncio.timeout(PATIENCE):
                async for response in stream:
                    if response.receipt.command_id == request_id:
                        if response.receipt.HasField("error"):
                            raise MeshError.from_status(response.receipt.error)
                        return response.receipt.steering
        finally:
            stream.cancel()
        raise AssertionError("the stream ended without a receipt")


DOORS: dict[str, SteeringDoor] = {"unary": UnaryDoor(), "converse": ConverseDoor()}


@pytest.fixture(params=list(DOORS))
def door(request: pytest.FixtureRequest) -> SteeringDoor:
    return DOORS[request.param]


@dataclass
class Gated:
    """A mesh whose first step waits in a tool until the gate opens."""

    mesh: AgentMesh
    gate: asyncio.Event
    session_id: str
    run_id: str

    async def events(self) -> list[Event]:
        return await self.mesh.events(self.session_id, self.run_id)


def answers_what_it_was_told(request: Request) -> Steps:
    """First a call that waits, then an answer with all that the user has said."""
    if request.step == 0 and len(users(request)) == 1:
        return Call("test.wait", {})
    return Say(" / ".join(users(request)))


def users(request: Request) -> list[str]:
    return [str(turn["content"]) for turn in request.body["messages"] if turn["role"] == "user"]


@pytest.fixture
async def gated(tmp_path: Path) -> AsyncIterator[Gated]:
    gate = asyncio.Event()
    async with agent_mesh(tmp_path, answers_what_it_was_told, [gate_tool(gate)]) as mesh:
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "one")
        await mesh.wait_for(session_id, "tool_call_progress")
        yield Gated(mesh, gate, session_id, run.run_id)


def receipts(events: list[Event]) -> list[tuple[str, int]]:
    found = [event.steering_receipt for event in events if event.HasField("steering_receipt")]
    return [(receipt.steering_id, receipt.state) for receipt in found]


async def test_a_steering_input_is_applied_before_the_next_model_step(gated: Gated, door: SteeringDoor) -> None:
    receipt = await door.steer(gated.mesh, gated.session_id, "two", STEER, "in-1")
    assert (receipt.state, receipt.text) == (ACCEPTED, "two")
    gated.gate.set()
    events = await gated.events()
    assert receipts(events) == [("in-1", ACCEPTED), ("in-1", APPLIED)]
    applied = next(e.steering_receipt for e in events if e.steering_receipt.state == APPLIED)
    message = events[applied.applied_sequence - 1]
    assert message.message.text == "two"
    assert events[-1].run_finished.answer == "one / two"
    finished = [event.sequence for event in events if event.HasField("tool_call_finished")]
    assert finished[0] < message.sequence


async def test_several_inputs_are_applied_in_order(gated: Gated, door: SteeringDoor) -> None:
    for number in range(3):
        await door.steer(gated.mesh, gated.session_id, f"more {number}", STEER, f"in-{number}")
    gated.gate.set()
    events = await gated.events()
    assert events[-1].run_finished.answer == "one / more 0 / more 1 / more 2"


async def test_an_interrupt_stops_the_step_and_is_applied_then(tmp_path: Path, door: SteeringDoor) -> None:
    cancelled = asyncio.Event()
    async with agent_mesh(tmp_path, answers_what_it_was_told, [waiting_tool(cancelled)]) as mesh:
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "one")
        await mesh.wait_for(session_id, "tool_call_progress")
        await door.steer(mesh, session_id, "stop that", INTERRUPT, "in-1")
        events = await mesh.events(session_id, run.run_id)
        await asyncio.wait_for(cancelled.wait(), PATIENCE)
    assert receipts(events) == [("in-1", ACCEPTED), ("in-1", APPLIED)]
    assert events[-1].run_finished.answer == "one / stop that"
    started = [event for event in events if event.HasField("tool_call_started")]
    ended = [event for event in events if event.HasField("tool_call_finished")]
    assert len(started) == len(ended) == 1


async def test_an_interrupt_stops_the_model_in_the_middle_of_its_answer(tmp_path: Path, door: SteeringDoor) -> None:
    def script(request: Request) -> Steps:
        return [Say("On and on"), Hang()] if len(users(request)) == 1 else Say("Stopped.")

    async with agent_mesh(tmp_path, script) as mesh:
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "talk")
        await mesh.wait_for(session_id, "text_delta")
        await door.steer(mesh, session_id, "enough", INTERRUPT, "in-1")
        events = await mesh.events(session_id, run.run_id)
        await mesh.model.wait_abandoned()
    said = [(e.message.text, e.message.partial) for e in events if e.message.step]
    assert said[0][1]
    assert said[1] == ("Stopped.", False)
    assert events[-1].run_finished.outcome == RunOutcome.RUN_OUTCOME_COMPLETED


async def test_an_input_during_the_last_answer_makes_the_run_go_on(tmp_path: Path, door: SteeringDoor) -> None:
    def script(request: Request) -> Steps:
        return Say("A long last answer " * 20, delay=0.005) if len(users(request)) == 1 else Say("And that.")

    async with agent_mesh(tmp_path, script) as mesh:
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "answer")
        await mesh.wait_for(session_id, "text_delta")
        await door.steer(mesh, session_id, "and that?", STEER, "in-1")
        events = await mesh.events(session_id, run.run_id)
    assert receipts(events)[-1] == ("in-1", APPLIED)
    assert events[-1].run_finished.answer == "And that."
    whole = [e.message.text for e in events if e.message.step and not e.message.partial]
    assert whole[0].startswith("A long last answer")


async def test_an_enqueued_input_becomes_a_run_of_its_own(gated: Gated, door: SteeringDoor) -> None:
    receipt = await door.steer(gated.mesh, gated.session_id, "later", ENQUEUE, "in-1")
    assert receipt.enqueued_run_id
    gated.gate.set()
    events = await gated.mesh.events(gated.session_id, receipt.enqueued_run_id)
    order = [event.run_id for event in events if event.HasField("run_finished")]
    assert order == [gated.run_id, receipt.enqueued_run_id]


async def test_an_input_that_asks_for_it_is_rejected_by_a_busy_session(gated: Gated, door: SteeringDoor) -> None:
    with pytest.raises(MeshError) as caught:
        await door.steer(gated.mesh, gated.session_id, "now", REJECT, "in-1")
    assert caught.value.reason_name == "SESSION_BUSY"


@pytest.mark.parametrize("mode", [STEER, INTERRUPT, REJECT])
async def test_there_is_nothing_to_steer_without_a_run(
    gated: Gated, door: SteeringDoor, mode: SteeringMode.ValueType
) -> None:
    gated.gate.set()
    await gated.events()
    with pytest.raises(MeshError) as caught:
        await door.steer(gated.mesh, gated.session_id, "anybody?", mode, "in-1")
    assert caught.value.reason_name == "RUN_NOT_FOUND"


async def test_the_same_input_is_applied_once(gated: Gated, door: SteeringDoor) -> None:
    first = await door.steer(gated.mesh, gated.session_id, "two", STEER, "in-1")
    assert await door.steer(gated.mesh, gated.session_id, "two", STEER, "in-1") == first
    with pytest.raises(MeshError) as caught:
        await door.steer(gated.mesh, gated.session_id, "other", STEER, "in-1")
    assert caught.value.reason_name == "REQUEST_ID_REUSED"
    gated.gate.set()
    assert (await gated.events())[-1].run_finished.answer == "one / two"


async def test_an_input_that_a_cancelled_run_cannot_apply_is_returned(gated: Gated, door: SteeringDoor) -> None:
    await door.steer(gated.mesh, gated.session_id, "two", STEER, "in-1")
    await gated.mesh.stub.CancelRun(pb.CancelRunRequest(session_id=gated.session_id))
    events = await gated.events()
    assert receipts(events) == [("in-1", ACCEPTED), ("in-1", RETURNED)]
    back = next(event.steering_receipt for event in events if event.steering_receipt.state == RETURNED)
    assert (back.text, MeshError.from_status(back.reason).reason_name) == ("two", "RUN_FINISHED")
    assert events[-1].HasField("run_finished")


@pytest.mark.parametrize("mode", [STEER, INTERRUPT])
async def test_a_task_can_be_given_as_an_input_to_the_run_at_work(gated: Gated, mode: SteeringMode.ValueType) -> None:
    request = pb.StartRunRequest(
        request_id="again", session_id=gated.session_id, spec=RunSpec(task="two"), when_busy=mode
    )
    assert (await gated.mesh.stub.StartRun(request)).run.run_id == gated.run_id
    gated.gate.set()
    assert (await gated.events())[-1].run_finished.answer == "one / two"
    assert (await gated.mesh.stub.StartRun(request)).run.run_id == gated.run_id
    other = pb.StartRunRequest(session_id=gated.session_id, spec=RunSpec(task="three"), when_busy=mode)
    assert (await gated.mesh.stub.StartRun(other)).run.run_id != gated.run_id


async def test_an_accepted_input_survives_the_end_of_the_process(tmp_path: Path) -> None:
    tools: Callable[[], list[object]] = lambda: [waiting_tool(asyncio.Event())]  # noqa: E731 - one for each mesh
    async with agent_mesh(tmp_path, answers_what_it_was_told, tools()) as mesh:  # type: ignore[arg-type]
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "one")
        await mesh.wait_for(session_id, "tool_call_progress")
        await UnaryDoor().steer(mesh, session_id, "two", STEER, "in-1")
    async with agent_mesh(tmp_path, answers_what_it_was_told, tools()) as mesh:  # type: ignore[arg-type]
        events = await mesh.events(session_id, run.run_id)
    assert receipts(events) == [("in-1", ACCEPTED), ("in-1", APPLIED)]
    assert events[-1].run_finished.answer == "one / two"
