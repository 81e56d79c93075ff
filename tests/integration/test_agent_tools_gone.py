"""A tool service that is not there for a moment: runs wait for it instead of failing."""

from __future__ import annotations

import asyncio
from pathlib import Path

from meshwright.agent.service import agent_service
from meshwright.agent.settings import AgentSettings
from meshwright.serving.channel import open_channel
from meshwright.serving.server import Server
from meshwright.tools.run import tools_service
from meshwright.tools.settings import ToolSettings
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
from meshwright.v1.run_pb2 import RunOutcome
from meshwright.v1.tool_pb2 import ToolOutcome
from tests.model_script import Call, Hang, Say, in_turn
from tests.model_server import ModelServer
from tests.support.agent_mesh import LOOPBACK, AgentMesh
from tests.support.agent_tools import gate_tool


async def test_runs_wait_for_a_tool_service_that_comes_back(tmp_path: Path) -> None:
    gate = asyncio.Event()
    gate.set()
    tools = ToolSettings.load(listen=f"unix:{tmp_path / 'tools.sock'}", data_dir=tmp_path)
    async with ModelServer(Hang()) as model:
        settings = AgentSettings.load(
            listen=LOOPBACK,
            data_dir=tmp_path,
            tools_address=tools.listen,
            model="openai:scripted",
            openai_base_url=model.base_url,
        )
        async with Server(agent_service(settings), settings) as agent, open_channel(agent.address) as channel:
            mesh = AgentMesh(AgentServiceStub(channel), model, tmp_path)
            session_id = await mesh.new_session()
            run = await mesh.start(session_id, "call")
            await mesh.wait_for(session_id, "run_started")
            async with Server(tools_service(tools, [gate_tool(gate)]), tools):
                # Now the model can be asked: the run has its tools.
                await model.wait_requests(1)
            await mesh.stub.CancelRun(pb.CancelRunRequest(session_id=session_id))
            await mesh.events(session_id, run.run_id)
            model.script = in_turn(Call("test.wait", {}), Say("Done."))
            again = await mesh.start(session_id, "call again")
            await mesh.wait_for(session_id, "tool_call_started")
            # Long enough for a call that does not wait to fail.
            await asyncio.sleep(1.0)
            async with Server(tools_service(tools, [gate_tool(gate)]), tools):
                events = await mesh.events(session_id, again.run_id)
    (end,) = [event.tool_call_finished for event in events if event.HasField("tool_call_finished")]
    assert end.completion.outcome == ToolOutcome.TOOL_OUTCOME_SUCCEEDED
    assert events[-1].run_finished.outcome == RunOutcome.RUN_OUTCOME_COMPLETED
