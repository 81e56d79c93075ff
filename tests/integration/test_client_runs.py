"""The SDK against a real AgentService: giving tasks, following them, and how they end."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from meshwright import Mesh
from meshwright.client import (
    Event,
    FailedPrecondition,
    InvalidArgument,
    MeshError,
    Message,
    Role,
    RunCancelled,
    RunExpired,
    RunFailed,
    RunFinished,
    RunOutcome,
    RunQueued,
    RunStarted,
    RunState,
    SteeringMode,
    TextDelta,
    ToolCallFinished,
    ToolCallStarted,
    ToolOutcome,
)
from tests.model_script import Call, Say, in_turn
from tests.support.scripted_tools import Gates, scripted_tools
from tests.support.sdk_agent import assert_gapless, first, obey, sdk_agent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.sdk_agent import SdkAgent

PATIENCE = 60.0


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[SdkAgent]:
    async with sdk_agent(tmp_path, obey) as running:
        yield running


@pytest.fixture
async def mesh(agent: SdkAgent) -> AsyncIterator[Mesh]:
    async with Mesh(agent.name) as connected:
        yield connected


async def test_a_task_in_a_new_session_streams_typed_events_to_its_end(mesh: Mesh) -> None:
    stream = mesh.run("hello", title="Greetings", labels={"team": "a"})
    events = [event async for event in stream]

    assert isinstance(events[0], RunQueued)
    assert events[0].task == "hello"
    assert isinstance(events[1], RunStarted)
    assert events[1].model == "openai:scripted"
    last = events[-1]
    assert isinstance(last, RunFinished)
    assert (last.outcome, last.answer, last.error) == (RunOutcome.COMPLETED, "You said: hello", None)
    assert last.usage.model_calls == 1
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "You said: hello"
    spoken = [(event.role, event.text) for event in events if isinstance(event, Message)]
    assert spoken == [(Role.USER, "hello"), (Role.AGENT, "You said: hello")]
    assert events[0].sequence == 1
    assert_gapless(events)
    assert {event.run_id for event in events} == {stream.run_id}
    assert stream.cursor == last.sequence
    assert all(before.time <= after.time for before, after in pairwise(events))
    info = await mesh.session(stream.session_id).info()
    assert (info.title, info.labels, info.last_sequence) == ("Greetings", {"team": "a"}, last.sequence)


async def test_ask_gives_the_answer_alone(mesh: Mesh) -> None:
    assert await mesh.ask("hello") == "You said: hello"
    session = await mesh.create_session()
    assert await session.ask("again") == "You said: again"


async def test_a_failed_run_is_raised_with_the_cause_that_the_mesh_gives(mesh: Mesh) -> None:
    with pytest.raises(RunFailed) as failure:
        await mesh.ask("forbidden")
    error = failure.value
    assert error.reason == "MODEL_AUTHENTICATION"
    assert error.metadata["model"] == "openai:scripted"
    assert error.session_id.startswith("ses_")
    assert error.run_id.startswith("run_")


async def test_an_expired_run_is_raised_as_such(mesh: Mesh) -> None:
    with pytest.raises(RunExpired) as failure:
        await mesh.ask("hang", timeout=1)
    assert failure.value.reason == "RUN_EXPIRED"


async def test_a_run_can_be_cancelled_while_it_is_read(mesh: Mesh) -> None:
    stream = mesh.run("hang")
    reading = asyncio.create_task(stream.result())
    info = await stream.cancel()
    assert info.run_id == stream.run_id
    with pytest.raises(RunCancelled):
        await reading


async def test_leaving_a_stream_leaves_the_run_at_work(mesh: Mesh) -> None:
    async with mesh.run("hang") as stream:
        await first(stream, TextDelta)
        run = mesh.session(stream.session_id).existing_run(stream.run_id)
    assert (await run.info()).state is RunState.ACTIVE
    await run.cancel()
    with pytest.raises(RunCancelled):
        await run.result()


async def test_a_run_that_has_ended_cannot_be_cancelled(mesh: Mesh) -> None:
    stream = mesh.run("hello")
    await stream.result()
    with pytest.raises(FailedPrecondition) as refusal:
        await stream.cancel()
    assert refusal.value.reason == "RUN_FINISHED"


async def test_a_stream_of_a_run_shows_that_run_only(mesh: Mesh) -> None:
    session = await mesh.create_session()
    await session.ask("before")
    first_run = await session.start("hang")
    second = session.run("after")
    queued = await first(second, RunQueued)
    await first_run.cancel()
    events = [queued, *[event async for event in second]]
    assert {event.run_id for event in events} == {second.run_id}
    assert isinstance(events[-1], RunFinished)
    assert events[-1].answer == "You said: after"


async def test_a_busy_session_refuses_where_that_was_asked_for(mesh: Mesh) -> None:
    session = await mesh.create_session()
    run = await session.start("hang")
    with pytest.raises(FailedPrecondition) as refusal:
        await session.run("x", when_busy=SteeringMode.REJECT).result()
    assert refusal.value.reason == "SESSION_BUSY"
    assert refusal.value.metadata["active_run_id"] == run.run_id
    await run.cancel()


async def test_every_wrong_field_is_named(mesh: Mesh) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        await mesh.ask("", max_steps=-1)
    assert refusal.value.reason == "INVALID_FIELDS"
    named = {violation.field for violation in refusal.value.violations}
    assert len(named) == 2
    assert any(path.endswith("task") for path in named)
    assert any(path.endswith("max_steps") for path in named)


async def test_a_model_that_is_not_known_is_refused_at_once(mesh: Mesh) -> None:
    with pytest.raises(FailedPrecondition) as refusal:
        await mesh.ask("hello", model="nowhere:nothing")
    assert refusal.value.reason == "MODEL_NOT_FOUND"


async def test_parallel_tool_calls_overlap_in_the_stream(tmp_path: Path) -> None:
    gates = Gates()
    calls = [Call("test.gate", {"name": name}) for name in ("a", "b")]
    async with (
        sdk_agent(tmp_path, in_turn(calls, Say("both")), scripted_tools(gates)) as agent,
        Mesh(agent.name) as mesh,
    ):
        events: list[Event] = []
        async with asyncio.timeout(PATIENCE):
            async for event in mesh.run("pass both"):
                events.append(event)
                if sum(isinstance(event, ToolCallStarted) for event in events) == 2:
                    gates.open("b")
                if any(isinstance(event, ToolCallFinished) for event in events):
                    gates.open("a")
    story = [type(event) for event in events if isinstance(event, ToolCallStarted | ToolCallFinished)]
    assert story == [ToolCallStarted, ToolCallStarted, ToolCallFinished, ToolCallFinished]
    finished = [event for event in events if isinstance(event, ToolCallFinished)]
    assert [(event.tool, event.outcome, event.text) for event in finished] == [
        ("test.gate", ToolOutcome.SUCCEEDED, "passed b"),
        ("test.gate", ToolOutcome.SUCCEEDED, "passed a"),
    ]
    assert finished[0].structured == {"name": "b"}
    started = [event for event in events if isinstance(event, ToolCallStarted)]
    assert started[0].arguments == {"name": "a"}
    assert started[0].read_only


async def test_closing_the_mesh_ends_its_streams_with_a_clear_word(agent: SdkAgent) -> None:
    mesh = Mesh(agent.name)
    stream = mesh.run("hang")
    await first(stream, TextDelta)
    reading = asyncio.create_task(stream.result())
    await asyncio.sleep(0)
    await mesh.close()
    with pytest.raises(MeshError, match="was closed"):
        await reading
    with pytest.raises(MeshError, match="was closed"):
        await mesh.agent()
