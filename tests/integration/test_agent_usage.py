"""What runs and sessions use adds up, however their steps end: tokens, money, time of browsers."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import pytest

from meshwright.models import registry
from meshwright.store.usage import add_usage
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.run_pb2 import Run, RunOptions, RunOutcome, SteeringMode, Usage
from tests.model_script import Call, Cut, Fail, Finish, Hang, Report, Say, Steps, in_order
from tests.support.agent_mesh import PATIENCE, AgentMesh, agent_mesh
from tests.support.tool_mesh import browser_server
from tests.support.web_pages import web_pages

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from meshwright.v1.event_pb2 import Event

COMPLETED, FAILED = RunOutcome.RUN_OUTCOME_COMPLETED, RunOutcome.RUN_OUTCOME_FAILED
CANCELLED = RunOutcome.RUN_OUTCOME_CANCELLED
MODEL = "deepseek:gpt-5"
"""A provider whose address tests may change, and a model whose list price is known: 1.25 USD and 10 USD for a million tokens."""
COST = 1000 * 1.25 + 100 * 10
STEP = (Call("file.list", {}), Report(1000, 100))
ANSWER = (Say("Done."), Report(1000, 100))


class Case(NamedTuple):
    """Answers of the model, what is done to the run at its first text, and what it has used in the end."""

    answers: Sequence[Steps]
    outcome: RunOutcome.ValueType
    model_calls: int
    priced_calls: int
    tool_calls: int = 0
    at_text: str = ""
    max_cost_micros: int = 0


CASES = {
    "completed": Case([STEP, ANSWER], COMPLETED, 2, 2, tool_calls=1),
    "refused after all was said": Case([[Say("No."), Finish("content_filter"), Report(1000, 100)]], FAILED, 1, 1),
    "interrupted in a step": Case([[Say("One"), Hang()], ANSWER], COMPLETED, 2, 1, at_text="interrupt"),
    "cancelled in a step": Case([STEP, [Say("One"), Hang()]], CANCELLED, 2, 1, tool_calls=1, at_text="cancel"),
    "cut off in a step": Case([STEP, [Say("One"), Cut()]], FAILED, 2, 1, tool_calls=1),
    "refused before anything was said": Case([STEP, [Fail(500)]], FAILED, 1, 1, tool_calls=1),
    "over its budget": Case([STEP], FAILED, 1, 1, max_cost_micros=2000),
}


def total_of(events: Sequence[Event], run_id: str | None = None) -> Usage:
    """The sum of the usage_recorded events, of one run or of all."""
    total = Usage()
    for event in events:
        if event.HasField("usage_recorded") and run_id in (None, event.run_id):
            add_usage(total, event.usage_recorded.usage)
    return total


async def log_of(mesh: AgentMesh, session_id: str) -> list[Event]:
    """Every event so far."""
    events: list[Event] = []
    watch = mesh.stub.WatchSession(pb.WatchSessionRequest(session_id=session_id))
    async with asyncio.timeout(PATIENCE):
        async for response in watch:
            events.extend(response.events)
            if response.HasField("caught_up"):
                watch.cancel()
                return events
    raise AssertionError("the stream ended")


async def used_by(mesh: AgentMesh, session_id: str, run_id: str) -> tuple[Run, Usage]:
    """A run, and what its session has used."""
    run = (await mesh.stub.GetRun(pb.GetRunRequest(session_id=session_id, run_id=run_id))).run
    session = (await mesh.stub.GetSession(pb.GetSessionRequest(session_id=session_id))).session
    return run, session.usage


@pytest.mark.parametrize("name", CASES)
async def test_the_costs_of_steps_add_up(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]
    async with agent_mesh(tmp_path, in_order(*case.answers)) as mesh:
        monkeypatch.setitem(registry.FAST_LANE, "deepseek", (mesh.model.base_url, None, "openai"))
        session_id = await mesh.new_session()
        options = RunOptions(model=MODEL, max_cost_micros=case.max_cost_micros)
        started = await mesh.start(session_id, "do it", options=options)
        if case.at_text:
            await mesh.wait_for(session_id, "text_delta")
        if case.at_text == "cancel":
            await mesh.stub.CancelRun(pb.CancelRunRequest(session_id=session_id, run_id=started.run_id))
        elif case.at_text == "interrupt":
            mode = SteeringMode.STEERING_MODE_INTERRUPT
            await mesh.stub.SteerRun(
                pb.SteerRunRequest(request_id="stop", session_id=session_id, text="Stop.", mode=mode)
            )
        events = await mesh.events(session_id, started.run_id)
        run, session = await used_by(mesh, session_id, started.run_id)
    assert run.outcome == case.outcome
    expected = Usage(
        input_tokens=1000 * case.priced_calls,
        output_tokens=100 * case.priced_calls,
        model_calls=case.model_calls,
        tool_calls=case.tool_calls,
        cost_micros=round(COST * case.priced_calls),
        currency_code="USD",
    )
    assert run.usage == expected
    assert session == expected
    assert events[-1].run_finished.usage == expected
    total = total_of(events)
    total.tool_calls = case.tool_calls
    assert total == expected


async def test_browser_time_is_the_runs_while_it_works_and_the_sessions_while_it_rests(tmp_path: Path) -> None:
    async with (
        browser_server(tmp_path, browser_capacity=2),
        agent_mesh(tmp_path, Say(""), browser_address=f"unix:{tmp_path}/browser.sock", idle_browser=2.0) as mesh,
        web_pages() as pages,
    ):
        url = pages.add("/page", "A page")
        mesh.model.script = in_order(Call("browser.open", {"url": url}), Say("Done."), Say("Nothing to do."))
        session_id = await mesh.new_session()
        first = await mesh.start(session_id, "open it")
        await mesh.events(session_id, first.run_id)
        second = await mesh.start(session_id, "and now")
        await mesh.events(session_id, second.run_id)
        await mesh.wait_for(session_id, "browser_detached")
        one, _ = await used_by(mesh, session_id, first.run_id)
        two, session = await used_by(mesh, session_id, second.run_id)
        events = await log_of(mesh, session_id)
    ends = {event.run_id: event for event in events if event.HasField("run_finished")}
    for run in (one, two):
        held = run.usage.browser_duration.ToTimedelta()
        assert timedelta(0) < held < timedelta(seconds=PATIENCE)
        assert ends[run.run_id].run_finished.usage.browser_duration == run.usage.browser_duration
        assert total_of(events, run.run_id).browser_duration == run.usage.browser_duration
        told = [e for e in events if e.run_id == run.run_id and e.usage_recorded.usage.HasField("browser_duration")]
        assert [(e.usage_recorded.step, e.usage_recorded.model) for e in told] == [(0, "")]
        assert told[0].sequence == ends[run.run_id].sequence - 1
    rested = total_of(events, "").browser_duration.ToTimedelta()
    assert timedelta(seconds=0.3) < rested < timedelta(seconds=PATIENCE)
    assert session.browser_duration == total_of(events).browser_duration
    # All the time between the lease and its end, and nothing else.
    leased, released = (
        next(e.time.ToNanoseconds() for e in events if e.HasField(kind))
        for kind in ("browser_attached", "browser_detached")
    )
    assert session.browser_duration.ToNanoseconds() / 1e9 == pytest.approx((released - leased) / 1e9, abs=0.5)
