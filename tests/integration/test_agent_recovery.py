"""An agent process that is killed in the middle of a run: the next one closes what was left open and goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from meshwright.serving.address import Address
from meshwright.serving.channel import open_channel
from meshwright.serving.server import Server
from meshwright.tools.run import tools_service
from meshwright.tools.settings import ToolSettings
from meshwright.tools.tool import Annotations
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
from meshwright.v1.event_pb2 import Event
from meshwright.v1.run_pb2 import RunOutcome, RunSpec
from meshwright.v1.tool_pb2 import ToolOutcome
from tests.model_script import Call, Hang, Say, in_turn
from tests.model_server import ModelServer
from tests.support.agent_tools import counting_tool

PATIENCE = 30.0


async def agent_process(folder: Path, model_base_url: str) -> asyncio.subprocess.Process:
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "MESHWRIGHT_LISTEN": f"unix:{folder / 'agent.sock'}",
        "MESHWRIGHT_TOOLS_ADDRESS": f"unix:{folder / 'tools.sock'}",
        "MESHWRIGHT_DATA_DIR": str(folder),
        "MESHWRIGHT_MODEL": "openai:scripted",
        "MESHWRIGHT_OPENAI_BASE_URL": model_base_url,
    }
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "meshwright.cli.serve", "agent", env=environment)


async def read_until(stub: AgentServiceStub, session_id: str, kind: str, count: int = 1) -> list[Event]:
    """The session's events up to so many of a kind."""
    watch = stub.WatchSession(pb.WatchSessionRequest(session_id=session_id), wait_for_ready=True)
    seen: list[Event] = []
    try:
        async with asyncio.timeout(PATIENCE):
            async for response in watch:
                for event in response.events:
                    seen.append(event)
                    if sum(each.WhichOneof("kind") == kind for each in seen) == count:
                        return seen
    finally:
        watch.cancel()
    raise AssertionError(f"the stream ended without {kind}")


async def test_a_run_survives_the_kill_of_its_process(tmp_path: Path) -> None:
    tools = ToolSettings.load(listen=f"unix:{tmp_path / 'tools.sock'}", data_dir=tmp_path)
    async with Server(tools_service(tools, []), tools), ModelServer([Say("Half of it"), Hang()]) as model:
        first = await agent_process(tmp_path, model.base_url)
        async with open_channel(Address.parse(f"unix:{tmp_path / 'agent.sock'}")) as channel:
            stub = AgentServiceStub(channel)
            created = await stub.CreateSession(pb.CreateSessionRequest(), wait_for_ready=True, timeout=PATIENCE)
            session_id = created.session.session_id
            await stub.StartRun(pb.StartRunRequest(session_id=session_id, spec=RunSpec(task="talk")))
            before = await read_until(stub, session_id, "text_delta")
            first.send_signal(signal.SIGKILL)
            await first.wait()
        model.script = Say("All of it.")
        second = await agent_process(tmp_path, model.base_url)
        try:
            async with open_channel(Address.parse(f"unix:{tmp_path / 'agent.sock'}")) as channel:
                events = await read_until(AgentServiceStub(channel), session_id, "run_finished")
        finally:
            second.terminate()
            await second.wait()
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
    tools = ToolSettings.load(listen=f"unix:{tmp_path / 'tools.sock'}", data_dir=tmp_path)
    script = in_turn([Call("test.look", {}), Call("test.change", {})], Say("Done."))
    async with Server(tools_service(tools, [look, change]), tools), ModelServer(script) as model:
        first = await agent_process(tmp_path, model.base_url)
        async with open_channel(Address.parse(f"unix:{tmp_path / 'agent.sock'}")) as channel:
            stub = AgentServiceStub(channel)
            created = await stub.CreateSession(pb.CreateSessionRequest(), wait_for_ready=True, timeout=PATIENCE)
            session_id = created.session.session_id
            await stub.StartRun(pb.StartRunRequest(session_id=session_id, spec=RunSpec(task="look and change")))
            await read_until(stub, session_id, "tool_call_progress", 2)
            first.send_signal(signal.SIGKILL)
            await first.wait()
        gate.set()
        second = await agent_process(tmp_path, model.base_url)
        try:
            async with open_channel(Address.parse(f"unix:{tmp_path / 'agent.sock'}")) as channel:
                events = await read_until(AgentServiceStub(channel), session_id, "run_finished")
        finally:
            second.terminate()
            await second.wait()
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
