"""What goes on beside sub-agents while they work: claims are kept, tools stay at hand, usage is stored, the session has one run."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from meshwright.agent import dispatcher
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.run_pb2 import RunOutcome
from meshwright.v1.tool_pb2 import ToolOutcome
from tests.model_script import Call, Hang, Report, Say, Steps, in_turn
from tests.support.agent_mesh import agent_mesh
from tests.support.agent_tools import gate_tool
from tests.support.delegation import DELEGATE, assert_whole, by_task, delegate, end

COMPLETED, SUCCEEDED = RunOutcome.RUN_OUTCOME_COMPLETED, ToolOutcome.TOOL_OUTCOME_SUCCEEDED


async def test_what_a_sub_agent_used_is_in_its_parents_record_as_soon_as_it_has_ended(tmp_path: Path) -> None:
    script = by_task({"plan": in_turn(delegate("look"), Hang()), "look": [[Say("Found."), Report(500, 5)]]})
    async with agent_mesh(tmp_path, script, hand_over_grace=0) as mesh:
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "plan")
        await mesh.wait_for(session_id, "tool_call_finished")
        stored = (await mesh.stub.GetRun(pb.GetRunRequest(session_id=session_id, run_id=run.run_id))).run
    assert (stored.usage.model_calls, stored.usage.input_tokens) == (2, 510)


async def test_the_tools_of_a_session_stay_at_hand_when_a_sub_agent_ends(tmp_path: Path) -> None:
    script = by_task(
        {"plan": in_turn([delegate("look"), Call("test.wait", {})], Say("Done.")), "look": [Say("Found.")]}
    )
    gate = asyncio.Event()
    async with agent_mesh(tmp_path, script, [gate_tool(gate)], idle_browser=0) as mesh:
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "plan")
        await mesh.events_until(session_id, "tool_call_finished", 1)
        await mesh.events_until(session_id, "tool_call_progress", 1)
        gate.set()
        events = await mesh.events(session_id, run.run_id)
    ends = [event.tool_call_finished for event in events if event.HasField("tool_call_finished")]
    assert {call.tool: call.completion.outcome for call in ends} == {DELEGATE: SUCCEEDED, "test.wait": SUCCEEDED}


async def test_claims_of_sub_agents_are_kept_as_long_as_they_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "LEASE_SECONDS", 0.5)
    monkeypatch.setattr(dispatcher, "RENEW_SECONDS", 0.1)
    slow: Steps = [Say("slowly " * 12, delay=0.1), Call("file.list", {})]
    script = by_task({"plan": in_turn(delegate("look"), Say("Done.")), "look": in_turn(slow, Say("Found."))})
    async with agent_mesh(tmp_path, script) as mesh:
        events = await mesh.do("plan")
    assert_whole(events)
    assert [event.run_started.attempt for event in events if event.HasField("run_started")] == [1, 1]


async def test_a_sub_agent_is_no_run_at_work_of_its_own(tmp_path: Path) -> None:
    script = by_task(
        {"plan": in_turn(delegate("wait"), Say("Done.")), "wait": in_turn(Call("test.wait", {}), Say("Waited."))}
    )
    gate = asyncio.Event()
    async with agent_mesh(tmp_path, script, [gate_tool(gate)], max_runs=1) as mesh:
        session_id = await mesh.new_session()
        root = await mesh.start(session_id, "plan")
        await mesh.wait_for(session_id, "tool_call_progress")
        session = (await mesh.stub.GetSession(pb.GetSessionRequest(session_id=session_id))).session
        second = await mesh.start(session_id, "plan")
        gate.set()
        events = await mesh.events(session_id, second.run_id)
    assert (session.active_run_id, session.queued_runs) == (root.run_id, 0)
    assert end(events, root.run_id).outcome == end(events, second.run_id).outcome == COMPLETED
