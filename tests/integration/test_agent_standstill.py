"""An agent that stands still for longer than its lease: what it finds when it wakes, and what it must not do any more."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from meshwright.agent import dispatcher
from meshwright.agent.lease import LEASE_SECONDS
from meshwright.tools.tool import Annotations
from meshwright.v1.event_pb2 import Event
from meshwright.v1.run_pb2 import RunOutcome
from meshwright.v1.tool_pb2 import ToolOutcome
from tests.model_script import Call, Say, Tokens, in_turn
from tests.support.agent_mesh import agent_mesh
from tests.support.agent_replicas import Fleet, agent_fleet
from tests.support.agent_tools import counting_tool

PATIENCE = 60.0


async def ended_calmly(fleet: Fleet) -> None:
    """All of its agents, and without a word about anything unexpected."""
    for agent in fleet.agents.values():
        await agent.end(signal.SIGTERM)
        logged = (agent.folder / f"{agent.name}.log").read_text()
        assert not re.search("Traceback|never retrieved", logged), logged


def attempts(events: Sequence[Event]) -> list[int]:
    return [event.run_started.attempt for event in events if event.HasField("run_started")]


async def test_a_deposed_replica_writes_nothing_repeats_nothing_and_goes_on(tmp_path: Path, redis_url: str) -> None:
    made: list[str] = []
    gate = asyncio.Event()
    change = counting_tool("test.change", Annotations(), made, gate)
    script = in_turn(Call("test.change", {}), Say("It went on."))
    async with (
        agent_fleet(tmp_path, redis_url, script, ("first", "second"), started=["first"], tools=[change]) as fleet,
        fleet.talking_to("first") as at_first,
    ):
        session_id = await at_first.new_session()
        run = await at_first.start(session_id, "change")
        await at_first.wait_for(session_id, "tool_call_progress")
        await fleet.agents["second"].start()
        async with fleet.talking_to("second") as at_second:
            fleet.agents["first"].send(signal.SIGSTOP)
            events = await at_second.events(session_id, run.run_id)
            gate.set()
            fleet.agents["first"].send(signal.SIGCONT)
            # It answers again, and works on what it is given, but no more on what another has ended.
            afterwards = await at_first.do("change again")
            assert await at_first.events(session_id, run.run_id) == events
        await ended_calmly(fleet)
    assert made == ["test.change"] * 2
    assert attempts(events) == [1, 2]
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    (end,) = [event.tool_call_finished for event in events if event.HasField("tool_call_finished")]
    assert end.completion.outcome == ToolOutcome.TOOL_OUTCOME_UNKNOWN
    assert [each[-1].run_finished.answer for each in (events, afterwards)] == ["It went on."] * 2


async def test_a_process_alone_goes_on_where_it_stood_still(tmp_path: Path) -> None:
    async with agent_fleet(tmp_path, "", Tokens(60, 0.05), ["agent"]) as fleet, fleet.talking_to("agent") as mesh:
        agent = fleet.agents["agent"]
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "talk")
        await mesh.wait_for(session_id, "text_delta")
        agent.send(signal.SIGSTOP)
        woken = asyncio.get_running_loop().call_later(LEASE_SECONDS + 0.5, agent.send, signal.SIGCONT)
        began = time.monotonic()
        events = await mesh.events(session_id, run.run_id)
        woken.cancel()
        await ended_calmly(fleet)
    assert time.monotonic() - began > LEASE_SECONDS
    assert attempts(events) == [1]
    assert events[-1].run_finished.outcome == RunOutcome.RUN_OUTCOME_COMPLETED
    assert len(events[-1].run_finished.answer.split()) == 60


async def test_a_replica_that_looks_for_work_first_does_not_take_its_own_run_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a standstill all its timers are due at once, in any order; here the renewal never comes first."""
    monkeypatch.setattr(dispatcher, "LEASE_SECONDS", 0.3)
    monkeypatch.setattr(dispatcher, "CLAIM_RETRY_SECONDS", 0.4)
    monkeypatch.setattr(dispatcher, "RENEW_SECONDS", PATIENCE)
    async with agent_mesh(tmp_path, Tokens(60, 0.02), []) as mesh:
        events = await mesh.do("talk")
    assert attempts(events) == [1]
    assert events[-1].run_finished.outcome == RunOutcome.RUN_OUTCOME_COMPLETED


async def test_a_call_is_made_though_the_claim_was_not_renewed_in_time_as_long_as_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "LEASE_SECONDS", 0.1)
    monkeypatch.setattr(dispatcher, "CLAIM_RETRY_SECONDS", PATIENCE)
    monkeypatch.setattr(dispatcher, "RENEW_SECONDS", PATIENCE)
    made: list[str] = []
    gate = asyncio.Event()
    gate.set()
    change = counting_tool("test.change", Annotations(), made, gate)
    script = in_turn([Say("It takes a while", delay=0.1), Call("test.change", {})], Say("Done."))
    async with agent_mesh(tmp_path, script, [change]) as mesh:
        events = await mesh.do("change")
    assert (made, attempts(events)) == (["test.change"], [1])
    (end,) = [event.tool_call_finished for event in events if event.HasField("tool_call_finished")]
    assert end.completion.outcome == ToolOutcome.TOOL_OUTCOME_SUCCEEDED
    assert events[-1].run_finished.answer == "Done."
