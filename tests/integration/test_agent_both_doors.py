"""One table of cases, each through both doors: the same verbs, the same refusals, and the same events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from meshwright.serving.errors import MeshError
from meshwright.tools.files import read, write
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.event_pb2 import EventFilter, EventKind
from meshwright.v1.run_pb2 import RunOptions, RunOutcome, RunSpec, SteeringMode
from tests.model_script import Call, Cut, Fail, Hang, Request, Say, Script, Steps, Think, in_turn
from tests.support.agent_mesh import AgentMesh, agent_mesh
from tests.support.agent_tools import gate_tool
from tests.support.two_doors import DOORS, ConverseVisit, UnaryVisit, told, visiting

Visit: TypeAlias = UnaryVisit | ConverseVisit
STEER, INTERRUPT = SteeringMode.STEERING_MODE_STEER, SteeringMode.STEERING_MODE_INTERRUPT
ENQUEUE, REJECT = SteeringMode.STEERING_MODE_ENQUEUE, SteeringMode.STEERING_MODE_REJECT
TASK = RunSpec(task="do it")
WRITE, READ = Call("file.write", {"path": "a.txt", "content": "a"}), Call("file.read", {"path": "a.txt"})
WAIT, DONE = Call("test.wait", {}), Say("All done.")
ASK = {"approvals": "file.write"}
KINDS = EventKind


@dataclass
class Scene:
    """What a case acts in."""

    visit: Visit
    gate: asyncio.Event
    """Opens the tool `test.wait`."""


Act: TypeAlias = Callable[[Scene], Awaitable[str]]
"""Does what the case is about, waits for its end, and gives what came of it in a word."""


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    name: str
    script: Script | Steps
    act: Act
    outcome: str
    """What `act` gives at both doors."""
    settings: Mapping[str, object] = field(default_factory=dict)
    wanted: EventFilter | None = None


def told_to(request: Request) -> Steps:
    """A call that waits, then an answer with all that the user has said."""
    said = [str(turn["content"]) for turn in request.messages if turn["role"] == "user"]
    return WAIT if request.step == 0 and len(said) == 1 else Say(" / ".join(said))


def delegating(request: Request) -> Steps:
    """Has a sub-agent do a part, and says what that said."""
    if request.last_user_text == "look there":
        return Say("Seen.")
    return Call("agent.delegate", {"task": "look there"}) if request.step == 0 else DONE


async def ended(scene: Scene, run_id: str = "") -> str:
    """How a run ended: its outcome, and its answer or the reason of its error."""
    end = (await scene.visit.until("run_finished", run_id)).run_finished
    outcome = RunOutcome.Name(end.outcome).removeprefix("RUN_OUTCOME_")
    error = MeshError.from_status(end.error).reason_name if end.HasField("error") else ""
    return f"{outcome} {error or end.answer}".strip()


async def refusal(call: Awaitable[Any]) -> str:
    """The reason for which a verb was refused."""
    with pytest.raises(MeshError) as caught:
        await call
    return caught.value.reason_name


async def run(scene: Scene) -> str:
    return await ended(scene, (await scene.visit.start(TASK)).run_id)


def run_with(options: RunOptions) -> Act:
    async def act(scene: Scene) -> str:
        return await ended(scene, (await scene.visit.start(RunSpec(task="do it", options=options))).run_id)

    return act


def seconds(count: int) -> RunOptions:
    options = RunOptions()
    options.timeout.FromSeconds(count)
    return options


def steered(mode: SteeringMode.ValueType, *, opens: bool) -> Act:
    async def act(scene: Scene) -> str:
        started = await scene.visit.start(TASK)
        await scene.visit.until("tool_call_progress")
        await scene.visit.steer("and more", mode, "input")
        if opens:
            scene.gate.set()
        return await ended(scene, started.run_id)

    return act


async def enqueued(scene: Scene) -> str:
    first = await scene.visit.start(TASK)
    await scene.visit.until("tool_call_progress")
    receipt = await scene.visit.steer("and more", ENQUEUE, "input")
    scene.gate.set()
    return f"{await ended(scene, first.run_id)}; {await ended(scene, receipt.enqueued_run_id)}"


def given_while_busy(mode: SteeringMode.ValueType, *, rejected: bool) -> Act:
    async def act(scene: Scene) -> str:
        first = await scene.visit.start(TASK)
        await scene.visit.until("tool_call_progress")
        second = scene.visit.start(RunSpec(task="and more"), when_busy=mode)
        what = await refusal(second) if rejected else str((await second).run_id == first.run_id)
        if mode != INTERRUPT:
            scene.gate.set()
        return f"{what}; {await ended(scene, first.run_id)}"

    return act


async def returned(scene: Scene) -> str:
    started = await scene.visit.start(TASK)
    await scene.visit.until("tool_call_progress")
    await scene.visit.steer("and more", STEER, "input")
    await scene.visit.cancel(started.run_id)
    return await ended(scene)


def cancelled_at(kind: str) -> Act:
    async def act(scene: Scene) -> str:
        started = await scene.visit.start(TASK)
        await scene.visit.until(kind)
        await scene.visit.cancel()
        end = await ended(scene, started.run_id)
        return f"{end}; {await refusal(scene.visit.steer('late', STEER))}"

    return act


async def cancelled_before_it_began(scene: Scene) -> str:
    first = await scene.visit.start(TASK)
    await scene.visit.until("tool_call_progress")
    second = await scene.visit.start(RunSpec(task="never"))
    await scene.visit.cancel(second.run_id)
    end = await ended(scene, second.run_id)
    scene.gate.set()
    return f"{end}; {await ended(scene, first.run_id)}"


def answered(*decisions: pb.ApprovalDecision, after: str = "approval_requested") -> Act:
    async def act(scene: Scene) -> str:
        started = await scene.visit.start(TASK)
        asked = await scene.visit.until("approval_requested")
        await scene.visit.until(after)
        approval_id = asked.approval_requested.approval.approval_id
        said = []
        for decision in decisions:
            try:
                said.append(str((await scene.visit.resolve(approval_id, decision)).state))
            except MeshError as error:
                said.append(error.reason_name)
        return f"{' '.join(said)}; {await ended(scene, started.run_id)}"

    return act


def approve(**edited: str | float) -> pb.ApprovalDecision:
    decision = pb.ApprovalDecision(approve=pb.Approve())
    if edited:
        decision.approve.edited_arguments.update(edited)
    return decision


async def given_twice(scene: Scene) -> str:
    both = [await scene.visit.start(TASK, "same") for _ in range(2)]
    other = await refusal(scene.visit.start(RunSpec(task="another"), "same"))
    return f"{both[0] == both[1]} {other}; {await ended(scene)}"


async def steered_twice(scene: Scene) -> str:
    started = await scene.visit.start(TASK)
    await scene.visit.until("tool_call_progress")
    both = [await scene.visit.steer("and more", STEER, "same") for _ in range(2)]
    other = await refusal(scene.visit.steer("something else", STEER, "same"))
    scene.gate.set()
    return f"{both[0] == both[1]} {other}; {await ended(scene, started.run_id)}"


def refused(spec: RunSpec) -> Act:
    async def act(scene: Scene) -> str:
        return await refusal(scene.visit.start(spec))

    return act


async def two_tasks(scene: Scene) -> str:
    first = await scene.visit.start(TASK)
    await scene.visit.until("tool_call_progress")
    second = await scene.visit.start(RunSpec(task="and more"))
    scene.gate.set()
    return f"{await ended(scene, first.run_id)}; {await ended(scene, second.run_id)}"


DENY = pb.ApprovalDecision(deny=pb.Deny(), comment="not here")
CASES = (
    Case("answer", [Think("Let me see."), DONE], run, "COMPLETED All done."),
    Case("tools", in_turn([Say("First this."), WRITE], READ, DONE), run, "COMPLETED All done."),
    Case("tool fails", in_turn(READ, DONE), run, "COMPLETED All done."),
    Case("unknown tool", in_turn(Call("test.fly"), DONE), run, "COMPLETED All done."),
    Case("broken arguments", in_turn(Call("file.read", "{broken"), DONE), run, "COMPLETED All done."),
    Case("sub-agent", delegating, run, "COMPLETED All done."),
    Case("two tasks", in_turn(WAIT, DONE), two_tasks, "COMPLETED All done.; COMPLETED All done."),
    Case("steer", told_to, steered(STEER, opens=True), "COMPLETED do it / and more"),
    Case("interrupt", told_to, steered(INTERRUPT, opens=False), "COMPLETED do it / and more"),
    Case("enqueue", told_to, enqueued, "COMPLETED do it; COMPLETED do it / and more"),
    Case("reject", told_to, given_while_busy(REJECT, rejected=True), "SESSION_BUSY; COMPLETED do it"),
    Case("task steers", told_to, given_while_busy(STEER, rejected=False), "True; COMPLETED do it / and more"),
    Case("task interrupts", told_to, given_while_busy(INTERRUPT, rejected=False), "True; COMPLETED do it / and more"),
    Case("input returned", told_to, returned, "CANCELLED"),
    Case("cancel in text", [Say("So"), Hang()], cancelled_at("text_delta"), "CANCELLED; RUN_NOT_FOUND"),
    Case("cancel in call", WAIT, cancelled_at("tool_call_progress"), "CANCELLED; RUN_NOT_FOUND"),
    Case("cancel in queue", in_turn(WAIT, DONE), cancelled_before_it_began, "CANCELLED; COMPLETED All done."),
    Case("approve", in_turn(WRITE, DONE), answered(approve()), "2; COMPLETED All done.", ASK),
    Case("deny", in_turn(WRITE, DONE), answered(DENY), "3; COMPLETED All done.", ASK),
    Case("edit", in_turn(WRITE, DONE), answered(approve(path="b", content="b")), "2; COMPLETED All done.", ASK),
    Case(
        "answers",
        in_turn([WRITE, WAIT], DONE),
        answered(approve(wrong=1), approve(), approve(), DENY, after="tool_call_progress"),
        "TOOL_ARGUMENTS 2 2 APPROVAL_CLOSED; EXPIRED RUN_EXPIRED",
        {**ASK, "run_timeout": 1.5},
    ),
    Case("nobody answers", in_turn(WRITE, DONE), answered(), "; COMPLETED All done.", {**ASK, "approval_timeout": 0.2}),
    Case("cancel in question", WRITE, cancelled_at("approval_requested"), "CANCELLED; RUN_NOT_FOUND", ASK),
    Case("tokens", READ, run_with(RunOptions(max_tokens=1)), "FAILED BUDGET_EXHAUSTED"),
    Case("steps", READ, run_with(RunOptions(max_steps=2)), "FAILED STEP_LIMIT_REACHED"),
    Case("deadline", [Say("So"), Hang()], run_with(seconds(1)), "EXPIRED RUN_EXPIRED"),
    Case("model down", Fail(500), run, "FAILED MODEL_UNAVAILABLE"),
    Case("model cut", [Say("Half an"), Cut()], run, "FAILED MODEL_UNAVAILABLE"),
    Case("model refuses", Fail(401), run, "FAILED MODEL_AUTHENTICATION"),
    Case("same request", DONE, given_twice, "True REQUEST_ID_REUSED; COMPLETED All done."),
    Case("same input", told_to, steered_twice, "True REQUEST_ID_REUSED; COMPLETED do it / and more"),
    Case("empty task", DONE, refused(RunSpec()), "INVALID_FIELDS"),
    Case("unknown model", DONE, refused(RunSpec(task="x", options=RunOptions(model="no:thing"))), "MODEL_NOT_FOUND"),
    Case(
        "only some kinds",
        in_turn(WRITE, DONE),
        run,
        "COMPLETED All done.",
        wanted=EventFilter(kinds=[KINDS.EVENT_KIND_MESSAGE, KINDS.EVENT_KIND_RUN_FINISHED]),
    ),
    Case(
        "without some kinds",
        in_turn(WRITE, DONE),
        run,
        "COMPLETED All done.",
        wanted=EventFilter(excluded_kinds=[KINDS.EVENT_KIND_TEXT_DELTA, KINDS.EVENT_KIND_USAGE_RECORDED]),
    ),
)


async def through(door: type[Visit], mesh: AgentMesh, gate: asyncio.Event, case: Case) -> list[dict[str, Any]]:
    """Play a case through a door; what was told there."""
    gate.clear()
    session_id = await mesh.new_session()
    async with visiting(door, mesh.stub, session_id, wanted=case.wanted) as visit:
        assert await case.act(Scene(visit, gate)) == case.outcome
        seen = list(visit.events)
    for other in DOORS:
        await replayed(other, mesh, session_id, case, seen)
    return told(seen)


async def replayed(door: type[Visit], mesh: AgentMesh, session_id: str, case: Case, seen: list[Any]) -> None:
    """Whoever comes later, by any door and with any cursor, sees what was seen live after it."""
    for cursor in {0, *(event.sequence for event in seen[:: max(1, len(seen) // 3)])}:
        rest = [event for event in seen if event.sequence > cursor]
        async with visiting(door, mesh.stub, session_id, after_sequence=cursor, wanted=case.wanted) as visit:
            if rest:
                await visit.until(str(rest[-1].WhichOneof("kind")), rest[-1].run_id)
        assert visit.events[: len(rest)] == rest


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_both_doors_tell_the_same(case: Case, tmp_path: Path) -> None:
    gate = asyncio.Event()
    tools = [read.file_read, write.file_write, gate_tool(gate)]
    async with agent_mesh(tmp_path, case.script, tools, **case.settings) as mesh:
        unary, converse = [await through(door, mesh, gate, case) for door in DOORS]
    assert unary == converse
