"""Every case through both doors: the stream and the unary verbs lead to the same events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meshwright.v1.event_pb2 import Event
from meshwright.v1.run_pb2 import RunOptions, RunOutcome, RunSpec, SteeringMode
from meshwright.v1.tool_pb2 import ToolOutcome
from tests.model_script import Call, Cut, Fail, Hang, Say, Script, Steps, Think, Tokens, in_turn
from tests.support.agent_mesh import AgentMesh, ConverseDoor, Door, UnaryDoor, agent_mesh

DOORS: dict[str, Door] = {"unary": UnaryDoor(), "converse": ConverseDoor()}


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[AgentMesh]:
    async with agent_mesh(tmp_path, Say("Hello there.")) as running:
        (tmp_path / "workspaces").mkdir(exist_ok=True)
        yield running


@pytest.fixture(params=list(DOORS))
def door(request: pytest.FixtureRequest) -> Door:
    return DOORS[request.param]


async def run(
    mesh: AgentMesh, door: Door, script: Script | Steps, *, cancel_at: str = "", **options: object
) -> list[Event]:
    """The events of one task in a session of its own."""
    mesh.model.script = script
    spec = RunSpec(task="do it", options=RunOptions(**options))  # type: ignore[arg-type]
    seen = await door.run(mesh, await mesh.new_session(), spec, cancel_at=cancel_at)
    assert seen.error is None
    assert [event.sequence for event in seen.events] == list(range(1, len(seen.events) + 1))
    assert seen.kinds.count("run_finished") == 1
    assert seen.kinds.count("tool_call_started") == seen.kinds.count("tool_call_finished")
    return seen.events


def kinds(events: list[Event]) -> list[str]:
    """The kinds in order; a row of deltas counts as one."""
    names = [str(event.WhichOneof("kind")) for event in events]
    return [name for at, name in enumerate(names) if at == 0 or name != names[at - 1] or not name.endswith("delta")]


def last(events: list[Event]) -> Event:
    return events[-1]


async def test_an_answer_is_streamed_and_told_whole(mesh: AgentMesh, door: Door) -> None:
    events = await run(mesh, door, [Think("Let me see."), Say("The answer is 42.")])
    assert kinds(events) == [
        "run_queued",
        "run_started",
        "message",
        "reasoning_delta",
        "text_delta",
        "message",
        "usage_recorded",
        "run_finished",
    ]
    deltas = "".join(event.text_delta.text for event in events)
    end = last(events).run_finished
    assert (deltas, end.answer, end.outcome) == ("The answer is 42.",) * 2 + (RunOutcome.RUN_OUTCOME_COMPLETED,)
    assert end.usage.model_calls == 1


async def test_tool_calls_of_one_step_are_journaled_first_and_run_at_the_same_time(mesh: AgentMesh, door: Door) -> None:
    calls = [Call("file.write", {"path": f"{name}.txt", "content": name}) for name in ("a", "b")]
    events = await run(mesh, door, in_turn(calls, Call("file.read", {"path": "a.txt"}), Say("done")))
    first_step = [event for event in events if str(event.WhichOneof("kind")).startswith("tool_call")][:4]
    assert [event.WhichOneof("kind") for event in first_step] == ["tool_call_started"] * 2 + ["tool_call_finished"] * 2
    assert len({event.sequence for event in first_step}) == 4
    finished = [event.tool_call_finished for event in events if event.HasField("tool_call_finished")]
    assert [end.completion.outcome for end in finished] == [ToolOutcome.TOOL_OUTCOME_SUCCEEDED] * 3
    assert "a" in finished[2].completion.result.text
    assert last(events).run_finished.usage.tool_calls == 3


async def test_a_call_that_fails_is_told_to_the_model_and_the_run_goes_on(mesh: AgentMesh, door: Door) -> None:
    events = await run(mesh, door, in_turn(Call("file.read", {"path": "missing.txt"}), Say("It is not there.")))
    (end,) = [event.tool_call_finished for event in events if event.HasField("tool_call_finished")]
    assert end.completion.outcome == ToolOutcome.TOOL_OUTCOME_FAILED
    assert "FILE_NOT_FOUND" in str(end.completion.error)
    assert "failed" in mesh.model.requests[-1].tool_results[0]
    assert last(events).run_finished.answer == "It is not there."


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (Call("browser.fly"), "TOOL_NOT_FOUND"),
        (Call("file.read", "{broken"), "TOOL_ARGUMENTS"),
        (Call("file.read", {"path": 7}), "TOOL_ARGUMENTS"),
        (Call("file.read", {"path": "../../etc/passwd"}), "PATH_OUTSIDE_WORKSPACE"),
    ],
    ids=["unknown tool", "broken JSON", "wrong type", "path outside"],
)
async def test_a_call_that_cannot_be_made_has_a_typed_error(
    mesh: AgentMesh, door: Door, call: Call, reason: str
) -> None:
    events = await run(mesh, door, in_turn(call, Say("Never mind.")))
    (end,) = [event.tool_call_finished for event in events if event.HasField("tool_call_finished")]
    assert reason in str(end.completion.error.details[0])
    assert last(events).run_finished.outcome == RunOutcome.RUN_OUTCOME_COMPLETED


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (Fail(401), "MODEL_AUTHENTICATION"),
        (Fail(404), "MODEL_NOT_FOUND"),
        (Fail(429, retry_after="7"), "MODEL_RATE_LIMITED"),
        (Fail(500), "MODEL_UNAVAILABLE"),
        (Fail(400), "MODEL_REJECTED"),
        ([Say("Half an ans"), Cut()], "MODEL_UNAVAILABLE"),
    ],
    ids=["wrong key", "unknown model", "rate limit", "down", "rejected", "cut in the middle"],
)
async def test_a_model_that_fails_is_a_failed_run_with_a_typed_reason(
    mesh: AgentMesh, door: Door, script: Steps, reason: str
) -> None:
    end = last(await run(mesh, door, script)).run_finished
    assert end.outcome == RunOutcome.RUN_OUTCOME_FAILED
    assert reason in str(end.error.details[0])


async def test_what_was_said_before_a_break_is_kept_as_a_partial_message(mesh: AgentMesh, door: Door) -> None:
    events = await run(mesh, door, [Say("Half an ans"), Cut()])
    partial = [event.message for event in events if event.message.partial]
    assert [message.text for message in partial] == ["Half an ans"]


async def test_a_cancelled_run_ends_as_cancelled_and_leaves_the_model(mesh: AgentMesh, door: Door) -> None:
    events = await run(mesh, door, [Say("So far"), Hang()], cancel_at="text_delta")
    assert last(events).run_finished.outcome == RunOutcome.RUN_OUTCOME_CANCELLED
    partial, used = events[-3:-1]
    assert partial.message.partial
    assert used.usage_recorded.usage.model_calls == 1, "it had begun to answer"
    await mesh.model.wait_abandoned()


async def test_what_finished_before_a_cancel_is_kept(mesh: AgentMesh, door: Door) -> None:
    script = in_turn(Call("file.write", {"path": "kept.txt", "content": "kept"}), [Say("..."), Hang()])
    events = await run(mesh, door, script, cancel_at="text_delta")
    outcomes = [e.tool_call_finished.completion.outcome for e in events if e.HasField("tool_call_finished")]
    assert outcomes == [ToolOutcome.TOOL_OUTCOME_SUCCEEDED]
    assert last(events).run_finished.outcome == RunOutcome.RUN_OUTCOME_CANCELLED


async def test_a_run_over_its_time_expires(mesh: AgentMesh, door: Door) -> None:
    options = RunOptions()
    options.timeout.FromSeconds(1)
    mesh.model.script = Hang()
    spec = RunSpec(task="think for ever", options=options)
    seen = await door.run(mesh, await mesh.new_session(), spec)
    end = seen.events[-1].run_finished
    assert end.outcome == RunOutcome.RUN_OUTCOME_EXPIRED
    assert "RUN_EXPIRED" in str(end.error.details[0])


async def test_a_run_out_of_steps_fails(mesh: AgentMesh, door: Door) -> None:
    end = last(await run(mesh, door, Call("file.list", {}), max_steps=2)).run_finished
    assert end.outcome == RunOutcome.RUN_OUTCOME_FAILED
    assert "STEP_LIMIT_REACHED" in str(end.error.details[0])
    assert end.usage.model_calls == 2


async def test_a_run_out_of_tokens_fails(mesh: AgentMesh, door: Door) -> None:
    end = last(await run(mesh, door, Call("file.list", {}), max_tokens=1)).run_finished
    assert "BUDGET_EXHAUSTED" in str(end.error.details[0])


async def test_a_second_task_waits_for_the_first(mesh: AgentMesh, door: Door) -> None:
    mesh.model.script = Tokens(50, 0.002)
    session_id = await mesh.new_session()
    first = await mesh.start(session_id, "first")
    seen = await door.run(mesh, session_id, RunSpec(task="second"))
    started = [event.run_id for event in seen.events if event.HasField("run_started")]
    ended = [event.run_id for event in seen.events if event.HasField("run_finished")]
    assert started == ended
    assert started[0] == first.run_id


async def test_a_task_that_asks_for_it_is_rejected_by_a_busy_session(mesh: AgentMesh, door: Door) -> None:
    mesh.model.script = Hang()
    session_id = await mesh.new_session()
    await mesh.start(session_id, "first")
    seen = await door.run(mesh, session_id, RunSpec(task="second"), when_busy=SteeringMode.STEERING_MODE_REJECT)
    assert seen.error is not None
    assert seen.error.reason_name == "SESSION_BUSY"


async def test_the_same_request_is_one_run(mesh: AgentMesh, door: Door) -> None:
    session_id = await mesh.new_session()
    both = [
        await door.run(mesh, session_id, RunSpec(task="once"), request_id="same"),
        await door.run(mesh, session_id, RunSpec(task="once"), request_id="same"),
    ]
    assert both[0].events == both[1].events
    assert both[0].kinds.count("run_queued") == 1
    other = await door.run(mesh, session_id, RunSpec(task="another"), request_id="same")
    assert other.error is not None
    assert other.error.reason_name == "REQUEST_ID_REUSED"


@pytest.mark.parametrize(
    ("session_id", "spec", "reason", "field"),
    [
        ("ses_none", RunSpec(task="hello"), "SESSION_NOT_FOUND", ""),
        ("", RunSpec(task=""), "INVALID_FIELDS", "spec.task"),
        ("", RunSpec(task="x" * 100_001), "INVALID_FIELDS", "spec.task"),
        ("", RunSpec(task="x", options=RunOptions(max_steps=201)), "INVALID_FIELDS", "spec.options.max_steps"),
        ("", RunSpec(task="x", options=RunOptions(model="nobody:nothing")), "MODEL_NOT_FOUND", ""),
        ("", RunSpec(task="x", attachment_ids=["art_1"]), "NOT_IMPLEMENTED", ""),
    ],
    ids=["unknown session", "empty task", "long task", "too many steps", "unknown model", "attachments"],
)
async def test_bad_input_is_refused_with_details(
    mesh: AgentMesh, door: Door, session_id: str, spec: RunSpec, reason: str, field: str
) -> None:
    known = await mesh.new_session()
    seen = await door.run(mesh, session_id or known, spec)
    assert seen.error is not None
    assert seen.error.reason_name == reason
    assert any(violation.field.endswith(field) for violation in seen.error.violations) or not field
    assert seen.events == []


async def test_a_later_reader_sees_the_same_events_from_any_cursor(mesh: AgentMesh, door: Door) -> None:
    mesh.model.script = in_turn(Call("file.list", {}), Say("Nothing there."))
    session_id = await mesh.new_session()
    seen = await door.run(mesh, session_id, RunSpec(task="look"))
    run_id = seen.events[0].run_id
    for cursor in range(len(seen.events) + 1):
        assert await mesh.events(session_id, run_id, after=cursor) == seen.events[cursor:]


async def test_both_doors_show_one_run_alike_while_it_happens(mesh: AgentMesh) -> None:
    mesh.model.script = Tokens(100, 0.002)
    session_id = await mesh.new_session()
    run = await mesh.start(session_id, "stream")
    unary = mesh.events(session_id, run.run_id)
    converse = ConverseDoor().run(mesh, session_id, RunSpec(task="next"))
    seen, both = await asyncio.gather(unary, converse)
    assert [e for e in both.events if e.run_id == run.run_id] == [e for e in seen if e.run_id == run.run_id]
