"""AgentService with a real tool service and a scripted model, each on a real socket, and the two doors to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import grpc

from meshwright.agent.service import agent_service
from meshwright.agent.settings import AgentSettings
from meshwright.serving.address import Address
from meshwright.serving.authentication.settings import ServiceAuthentication
from meshwright.serving.channel import open_channel
from meshwright.serving.errors import MeshError
from meshwright.serving.server import Server
from meshwright.tools.run import tools_service
from meshwright.tools.settings import ToolSettings
from meshwright.tools.tool import Tool
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
from meshwright.v1.event_pb2 import Event
from meshwright.v1.run_pb2 import Run, RunOptions, RunSpec, SteeringMode
from meshwright.v1.stream_pb2 import Close
from tests.model_script import Script, Steps
from tests.model_server import ModelServer

PATIENCE = 60.0
HAND_OVER_SECONDS = 0.2
"""For a step at work when an agent stops, unless a test asks for more: most leave one that never ends."""
LOOPBACK = Address("127.0.0.1", 0)


@dataclass
class AgentMesh:
    """A running mesh of agent, tools and model."""

    stub: AgentServiceStub
    model: ModelServer
    data_dir: Path
    address: Address = LOOPBACK

    async def new_session(self) -> str:
        return (await self.stub.CreateSession(pb.CreateSessionRequest())).session.session_id

    async def start(
        self, session_id: str, task: str, *, options: RunOptions | None = None, request_id: str = ""
    ) -> Run:
        spec = RunSpec(task=task, options=options)
        request = pb.StartRunRequest(session_id=session_id, spec=spec, request_id=request_id)
        return (await self.stub.StartRun(request)).run

    async def events(self, session_id: str, until_run_id: str, after: int = 0) -> list[Event]:
        """Events up to the run's end."""
        request = pb.WatchSessionRequest(session_id=session_id, until_run_id=until_run_id, after_sequence=after)
        async with asyncio.timeout(PATIENCE):
            return [event async for response in self.stub.WatchSession(request) for event in response.events]

    async def do(self, task: str, *, options: RunOptions | None = None) -> list[Event]:
        """Run a task in a new session; all its events."""
        session_id = await self.new_session()
        run = await self.start(session_id, task, options=options)
        return await self.events(session_id, run.run_id)

    async def wait_for(self, session_id: str, kind: str) -> Event:
        """The first event of a kind, waited for if need be."""
        return (await self.events_until(session_id, kind, 1))[-1]

    async def events_until(self, session_id: str, kind: str, count: int) -> list[Event]:
        """The session's events up to so many of a kind, waited for if need be."""
        watch = self.stub.WatchSession(pb.WatchSessionRequest(session_id=session_id))
        seen: list[Event] = []
        try:
            async with asyncio.timeout(PATIENCE):
                async for response in watch:
                    for event in response.events:
                        seen.append(event)
                        count -= event.WhichOneof("kind") == kind
                        if not count:
                            return seen
        finally:
            watch.cancel()
        raise AssertionError(f"the stream ended without {kind}")


@asynccontextmanager
async def agent_mesh(
    folder: Path, script: Script | Steps, tools: Sequence[Tool] | None = None, **settings: object
) -> AsyncIterator[AgentMesh]:
    """A mesh whose data are in `folder`; `settings` are the agent's."""
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(ModelServer(script))
        browser_address = settings.get("browser_address")
        shared = {name: settings[name] for name in ServiceAuthentication.model_fields if name in settings}
        tool_settings = ToolSettings.load(listen=LOOPBACK, data_dir=folder, browser_address=browser_address, **shared)
        served = await stack.enter_async_context(Server(tools_service(tool_settings, tools), tool_settings))
        agent_settings = AgentSettings.load(
            listen=LOOPBACK,
            data_dir=folder,
            tools_address=served.address,
            model="openai:scripted",
            openai_base_url=model.base_url,
            model_attempts=1,
            **{"hand_over_grace": HAND_OVER_SECONDS, **settings},
        )
        agent = await stack.enter_async_context(Server(agent_service(agent_settings), agent_settings))
        channel = await stack.enter_async_context(open_channel(agent.address))
        yield AgentMesh(AgentServiceStub(channel), model, folder, agent.address)


@dataclass
class Seen:
    """What a client saw through a door."""

    events: list[Event] = field(default_factory=list)
    error: MeshError | None = None

    @property
    def kinds(self) -> list[str]:
        return [str(event.WhichOneof("kind")) for event in self.events]


class Door(Protocol):
    """A way to run a task in a session and watch it; `cancel_at` cancels the run at the first event of that kind."""

    async def run(
        self,
        mesh: AgentMesh,
        session_id: str,
        spec: RunSpec,
        *,
        when_busy: SteeringMode.ValueType = SteeringMode.STEERING_MODE_UNSPECIFIED,
        cancel_at: str = "",
        request_id: str = "",
        after: int = 0,
    ) -> Seen: ...


class UnaryDoor:
    """Unary verbs and WatchSession."""

    async def run(
        self,
        mesh: AgentMesh,
        session_id: str,
        spec: RunSpec,
        *,
        when_busy: SteeringMode.ValueType = SteeringMode.STEERING_MODE_UNSPECIFIED,
        cancel_at: str = "",
        request_id: str = "",
        after: int = 0,
    ) -> Seen:
        seen = Seen()
        try:
            request = pb.StartRunRequest(request_id=request_id, session_id=session_id, spec=spec, when_busy=when_busy)
            run = (await mesh.stub.StartRun(request)).run
            watch = pb.WatchSessionRequest(session_id=session_id, until_run_id=run.run_id, after_sequence=after)
            async with asyncio.timeout(PATIENCE):
                async for response in mesh.stub.WatchSession(watch):
                    for event in response.events:
                        seen.events.append(event)
                        if event.WhichOneof("kind") == cancel_at:
                            cancel_at = ""
                            cancel = pb.CancelRunRequest(session_id=session_id, run_id=run.run_id)
                            await mesh.stub.CancelRun(cancel)
        except grpc.aio.AioRpcError as error:
            seen.error = MeshError.from_rpc_error(error)
        return seen


class ConverseDoor:
    """One Converse stream."""

    async def run(
        self,
        mesh: AgentMesh,
        session_id: str,
        spec: RunSpec,
        *,
        when_busy: SteeringMode.ValueType = SteeringMode.STEERING_MODE_UNSPECIFIED,
        cancel_at: str = "",
        request_id: str = "",
        after: int = 0,
    ) -> Seen:
        seen = Seen()
        stream = mesh.stub.Converse()
        start = pb.ConverseStart(session_id=session_id, after_sequence=after)
        command = pb.StartRunCommand(spec=spec, when_busy=when_busy)
        run_id = ""
        try:
            async with asyncio.timeout(PATIENCE):
                await stream.write(pb.ConverseRequest(command_id=_command_id(), start=start))
                start_id = request_id or _command_id()
                await stream.write(pb.ConverseRequest(command_id=start_id, start_run=command))
                async for response in stream:
                    if response.receipt.command_id == start_id:
                        run_id = response.receipt.run.run_id
                        if response.receipt.HasField("error"):
                            seen.error = MeshError.from_status(response.receipt.error)
                            await stream.write(pb.ConverseRequest(command_id=_command_id(), close=Close()))
                    for event in response.events:
                        seen.events.append(event)
                        if event.WhichOneof("kind") == cancel_at:
                            cancel_at = ""
                            cancel = pb.CancelRunCommand(run_id=event.run_id)
                            await stream.write(pb.ConverseRequest(command_id=_command_id(), cancel_run=cancel))
                    if any(e.HasField("run_finished") and e.run_id == run_id for e in seen.events):
                        await stream.write(pb.ConverseRequest(command_id=_command_id(), close=Close()))
        except grpc.aio.AioRpcError as error:
            seen.error = MeshError.from_rpc_error(error)
        except asyncio.InvalidStateError:
            seen.error = None
        return seen


def _command_id() -> str:
    return uuid4().hex
