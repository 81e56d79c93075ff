"""Everything that a cluster consists of, as real processes on this machine, and the network between them."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

import grpc
import psutil

from meshwright.gateway.gateway import Gateway
from meshwright.gateway.settings import GatewaySettings
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
from tests.chaos.process import Process
from tests.chaos.relay import Relay
from tests.model_server import model_server_process
from tests.support.mesh_process import clean_environment
from tests.support.redis_server import RedisServer
from tests.support.web_pages import web_pages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

AGENTS, TOOLS = 3, 2
CANARY = AGENTS - 1
"""The one agent of the other track. The gateway gives sessions to all, so their runs are on both."""
MARK = "FLEET_OF_THIS_TRIAL"
READY_SECONDS = 60.0


@dataclass
class Fleet:
    """A running cluster."""

    folder: Path
    mark: str
    redis: RedisServer
    agents: list[Process]
    tools: list[Process]
    browser: Process
    relays: Mapping[str, Relay]
    """By what is behind them: `redis` and the names of processes."""
    channel: grpc.aio.Channel
    """Through the gateway."""
    page: str
    """Address of a page to open."""

    @property
    def stub(self) -> AgentServiceStub:
        """AgentService as clients see it."""
        return AgentServiceStub(self.channel)

    @property
    def canary(self) -> Process:
        """The agent that works on no runs but its own."""
        return self.agents[CANARY]

    @property
    def ledger(self) -> Path:
        """Where the tools write down what they do."""
        return self.folder / "ledger.txt"

    @property
    def processes(self) -> list[Process]:
        """All that the monkey can reach."""
        return [*self.agents, *self.tools, self.browser]

    def left(self) -> list[str]:
        """What still runs of it."""
        return [found for process in psutil.process_iter() if (found := _marked(process, self.mark))]


@contextlib.asynccontextmanager
async def running_fleet(folder: Path) -> AsyncIterator[Fleet]:
    """Start a fleet whose sockets and logs lie in `folder`, whose path is short."""
    mark = uuid4().hex
    async with contextlib.AsyncExitStack() as stack:
        model = stack.enter_context(model_server_process("tests.chaos.story:script"))
        redis = stack.enter_context(RedisServer(folder))
        pages = await stack.enter_async_context(web_pages())
        page = pages.add("/", "<h1>A page</h1><p>Nothing happens here.</p>")
        relays: dict[str, Relay] = {}

        async def behind_relay(name: str, target: Path) -> Path:
            path = folder / f"{name}.relay"
            relays[name] = await stack.enter_async_context(Relay(path, target))
            return path

        environment = clean_environment(
            MESHWRIGHT_DATA_DIR=str(folder / "data"),
            MESHWRIGHT_LOG_FORMAT="json",
            MESHWRIGHT_MODEL="openai:scripted",
            MESHWRIGHT_OPENAI_BASE_URL=model,
            MESHWRIGHT_STORE_URL=f"unix://{await behind_relay('redis', folder / 'redis.sock')}",
            MESHWRIGHT_BROWSER_ADDRESS=f"unix:{await behind_relay('browser', folder / 'browser.sock')}",
            MESHWRIGHT_BROWSER_WARM="1",
            MESHWRIGHT_BROWSER_CAPACITY="4",
            MESHWRIGHT_EGRESS_ALLOW="127.0.0.1",
            MESHWRIGHT_RUNTIME_DIR=str(folder),
            MESHWRIGHT_HAND_OVER_GRACE="0.5",
            MESHWRIGHT_STOP_GRACE="0.5",
        )
        environment[MARK] = mark
        tools_sockets = [await behind_relay(f"tools{n}", folder / f"tools{n}.sock") for n in range(TOOLS)]
        environment["MESHWRIGHT_TOOLS_ADDRESS"] = ",".join(f"unix:{path}" for path in tools_sockets)
        agent_sockets = [await behind_relay(f"agent{n}", folder / f"agent{n}.sock") for n in range(AGENTS)]

        def service(name: str, *module: str, track: str = "stable") -> Process:
            process = Process(name, module, folder / f"{name}.sock", {**environment, "MESHWRIGHT_TRACK": track})
            stack.push_async_callback(process.end)
            return process

        browser = service("browser", "meshwright.cli.serve", "browser")
        ledger = ("tests.chaos.ledger", "--ledger", str(folder / "ledger.txt"))
        tools = [service(f"tools{n}", *ledger) for n in range(TOOLS)]
        tracks = ["canary" if n == CANARY else "stable" for n in range(AGENTS)]
        agents = [service(f"agent{n}", "meshwright.cli.serve", "agent", track=tracks[n]) for n in range(AGENTS)]
        async with asyncio.TaskGroup() as starting:
            for process in (browser, *tools, *agents):
                starting.create_task(process.start())
        gateway = await stack.enter_async_context(Gateway(_gateway_settings(agent_sockets, tools_sockets, folder)))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(gateway.address))
        fleet = Fleet(folder, mark, redis, agents, tools, browser, relays, channel, page)
        await _answers(fleet)
        yield fleet


def _gateway_settings(agents: list[Path], tools: list[Path], folder: Path) -> GatewaySettings:
    return GatewaySettings.load(
        port=0,
        agent_address=",".join(f"unix:{path}" for path in agents),
        tools_address=",".join(f"unix:{path}" for path in tools),
        browser_address=f"unix:{folder / 'browser.relay'}",
        site_address=f"unix:{folder / 'site.sock'}",
        gateway_workers=1,
    )


async def _answers(fleet: Fleet) -> None:
    async with asyncio.timeout(READY_SECONDS):
        while True:
            try:
                await fleet.stub.GetAgent(pb.GetAgentRequest(), timeout=5.0)
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.1)
            else:
                return


def _marked(process: psutil.Process, mark: str) -> str:
    try:
        runs = process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == mark
        return " ".join(process.cmdline()) if runs else ""
    except psutil.Error:
        return ""
