"""Agents in processes of their own on one shared store, behind one gateway."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from grpc_health.v1 import health_pb2, health_pb2_grpc

from meshwright.gateway.gateway import Gateway
from meshwright.serving.address import Address
from meshwright.serving.channel import open_channel
from meshwright.serving.server import Server
from meshwright.tools.run import tools_service
from meshwright.tools.settings import ToolSettings
from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
from tests.model_server import ModelServer
from tests.support.agent_mesh import AgentMesh
from tests.support.gateway_mesh import upstream_settings
from tests.support.mesh_process import clean_environment
from tests.support.own_words import while_it_runs

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from meshwright.tools.tool import Tool
    from tests.model_script import Script, Steps

READY_SECONDS = 60.0


@dataclass
class Replica:
    """A process of one service, an agent unless said otherwise, which can be ended and started again."""

    name: str
    folder: Path
    environment: dict[str, str]
    service: str = "agent"
    process: Process | None = None

    @property
    def address(self) -> Address:
        return Address(path=str(self.folder / f"{self.name}.sock"))

    async def start(self) -> None:
        """Start it and wait until it says that it serves."""
        environment = {**self.environment, "MESHWRIGHT_LISTEN": str(self.address)}
        log_path = self.folder / f"{self.name}.log"
        with log_path.open("ab") as log:
            command = (sys.executable, "-m", "meshwright.cli.serve", self.service)
            self.process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=log, stderr=log)
        await while_it_runs(self.process, self._serves(), READY_SECONDS, log_path.read_text)

    async def _serves(self) -> None:
        async with open_channel(self.address) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            async for state in stub.Watch(health_pb2.HealthCheckRequest(), wait_for_ready=True):
                if state.status == health_pb2.HealthCheckResponse.SERVING:
                    return

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)

    async def end(self, number: signal.Signals) -> None:
        """Send it a signal and wait until it is gone."""
        self.send(number)
        if self.process is not None:
            await self.process.wait()

    async def kill(self) -> None:
        """End it if it runs."""
        await self.end(signal.SIGKILL)


@dataclass
class Fleet:
    """The agents and their model."""

    model: ModelServer
    agents: dict[str, Replica] = field(default_factory=dict)

    @asynccontextmanager
    async def talking_to(self, name: str) -> AsyncIterator[AgentMesh]:
        """Calls that this agent answers."""
        agent = self.agents[name]
        async with open_channel(agent.address) as channel:
            yield AgentMesh(AgentServiceStub(channel), self.model, agent.folder, agent.address)


@dataclass
class Replicas(Fleet):
    """The agents with a gateway before them."""

    gateway: Gateway = field(kw_only=True)


@asynccontextmanager
async def agent_fleet(
    folder: Path,
    store_url: str,
    script: Script | Steps,
    names: Sequence[str],
    *,
    started: Sequence[str] | None = None,
    tools: Sequence[Tool] | None = (),
    environment: Mapping[str, str] | None = None,
    each: Mapping[str, Mapping[str, str]] | None = None,
) -> AsyncIterator[Fleet]:
    """Those of `started` run (default: all).

    `environment` is for all of them, `each` for one by its name. They share these tools; None gives them the mesh's own.
    """
    tools_address = Address(path=str(folder / "tools.sock"))
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(ModelServer(script))
        tool_settings = ToolSettings.load(listen=tools_address, data_dir=folder)
        await stack.enter_async_context(Server(tools_service(tool_settings, tools), tool_settings))
        variables = clean_environment(
            MESHWRIGHT_DATA_DIR=str(folder),
            MESHWRIGHT_STORE_URL=store_url,
            MESHWRIGHT_TOOLS_ADDRESS=str(tools_address),
            MESHWRIGHT_MODEL="openai:scripted",
            MESHWRIGHT_OPENAI_BASE_URL=model.base_url,
            **(environment or {}),
        )
        agents = {name: Replica(name, folder, {**variables, **(each or {}).get(name, {})}) for name in names}
        for agent in agents.values():
            stack.push_async_callback(agent.kill)
        await asyncio.gather(*(agents[name].start() for name in (names if started is None else started)))
        yield Fleet(model, agents)


@asynccontextmanager
async def agent_replicas(
    folder: Path,
    store_url: str,
    script: Script | Steps,
    names: Sequence[str],
    *,
    started: Sequence[str] | None = None,
    environment: Mapping[str, str] | None = None,
    each: Mapping[str, Mapping[str, str]] | None = None,
    gateway: Mapping[str, object] | None = None,
) -> AsyncIterator[Replicas]:
    """A fleet without tools, as `agent_fleet` has it. The gateway knows all agents, unless its own settings say otherwise."""
    async with agent_fleet(
        folder, store_url, script, names, started=started, environment=environment, each=each
    ) as fleet:
        addresses = ",".join(str(agent.address) for agent in fleet.agents.values())
        settings = upstream_settings(folder, **{"agent_address": addresses, **(gateway or {})})
        async with Gateway(settings) as running:
            yield Replicas(fleet.model, fleet.agents, gateway=running)
