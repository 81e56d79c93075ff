"""An agent process that is killed in the middle of a run: the next one closes what was left open and goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

from meshwright.tools.tool import Annotations
from meshwright.v1.run_pb2 import RunOutcome
from meshwright.v1.tool_pb2 import ToolOutcome
from tests.model_script import Call, Hang, Say, in_turn
from tests.support.agent_replicas import agent_fleet
from tests.support.agent_tools import counting_tool

AGENT = "agent"


async def test_a_run_survives_the_kill_of_its_process(tmp_path: Path) -> None:
    async with agent_fleet(tmp_path, "", [Say("Half of it"), Hang()], [AGENT]) as fleet:
        async with fleet.talking_to(AGENT) as mesh:
            session_id = await mesh.new_session()
            run = await mesh.start(session_id, "talk")
            before = await mesh.events_until(session_id, "text_delta", 1)
            await fleet.agents[AGENT].kill()
        fleet.model.script = Say("All of it.")
        await fleet.agents[AGENT].start()
        async with fleet.talking_to(AGENT) as mesh:
            events = await mesh.events(session_id, run.run_id)
    assert events[: len(before)] == before
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert [event.run_started.attempt for event in events if event.HasField("run_started")] == [1, 2]
    said = [(event.message.text, event.message.partial) for event in events if event.message.step]
    assert said[0][1]
    assert "Half of it".startswith(said[0][0])
    assert said[1] == ("All of it.", False)
    assert events[-1].run_finished.outcome == RunOutcome.RUN_OUTCOME_COMPLETED


async def test_after_a_kill_only_calls_that_may_be_repeated_are_made_again(tmp_path: Path) -> None:
    made: list[str] = []
    gate = asyncio.Event()
    look = counting_tool("test.look", Annotations(read_only=True), made, gate)
    change = counting_tool("test.change", Annotations(), made, gate)
    script = in_turn([Call("test.look", {}), Call("test.change", {})], Say("Done."))
    async with agent_fleet(tmp_path, "", script, [AGENT], tools=[look, change]) as fleet:
        async with fleet.talking_to(AGENT) as mesh:
            session_id = await mesh.new_session()
            run = await mesh.start(session_id, "look and change")
            await mesh.events_until(session_id, "tool_call_progress", 2)
            await fleet.agents[AGENT].kill()
        gate.set()
        await fleet.agents[AGENT].start()
        async with fleet.talking_to(AGENT) as mesh:
            events = await mesh.events(session_id, run.run_id)
    assert sorted(made) == ["test.change", "test.look", "test.look"]
    started = [event.tool_call_started for event in events if event.HasField("tool_call_started")]
    assert sorted((call.tool, call.attempt) for call in started) == [
        ("test.change", 1),
        ("test.look", 1),
        ("test.look", 2),
    ]
    ended = [event.tool_call_finished for event in events if event.HasField("tool_call_finished")]
    assert {call.tool: call.completion.outcome for call in ended} == {
        "test.look": ToolOutcome.TOOL_OUTCOME_SUCCEEDED,
        "test.change": ToolOutcome.TOOL_OUTCOME_UNKNOWN,
    }
    assert events[-1].run_finished.answer == "Done."
