"""A real AgentService for tests of the SDK, which can be stopped and started again on the same address."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from meshwright.agent.service import agent_service
from meshwright.agent.settings import AgentSettings
from meshwright.serving.address import Address
from meshwright.serving.authentication.settings import ServiceAuthentication
from meshwright.serving.server import Server
from meshwright.tools.run import tools_service
from meshwright.tools.settings import ToolSettings
from tests.model_script import Fail, Hang, Say
from tests.model_server import ModelServer
from tests.support.ports import reserved_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from pathlib import Path

    from meshwright.client import Event, RunStream
    from meshwright.tools.tool import Tool
    from tests.model_script import Request, Script, Steps

LOOPBACK = Address("127.0.0.1", 0)


@dataclass
class SdkAgent:
    """An agent whose data are in a folder. `settings` are the agent's, beyond those that the test's parts need."""

    folder: Path
    model: ModelServer
    tools_address: Address
    address: Address
    settings: dict[str, object] = field(default_factory=dict)
    _running: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def name(self) -> str:
        """The address as the SDK takes it."""
        return str(self.address)

    async def start(self) -> None:
        """Listen, after a stop as well."""
        settings = AgentSettings.load(
            listen=self.address,
            data_dir=self.folder,
            tools_address=self.tools_address,
            model="openai:scripted",
            openai_base_url=self.model.base_url,
            model_attempts=1,
            stop_grace=0.5,
            **{"hand_over_grace": 0.2, **self.settings},
        )
        await self._running.enter_async_context(Server(agent_service(settings), settings))

    async def stop(self) -> None:
        """Stop as a deployment does: streams are told to go, runs are handed over."""
        await self._running.aclose()


@asynccontextmanager
async def sdk_agent(
    folder: Path, script: Script | Steps, tools: Sequence[Tool] | None = (), **settings: object
) -> AsyncIterator[SdkAgent]:
    """A running agent with these tools; None gives it the mesh's own."""
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(ModelServer(script))
        shared = {name: settings[name] for name in ServiceAuthentication.model_fields if name in settings}
        tool_settings = ToolSettings.load(listen=LOOPBACK, data_dir=folder, **shared)
        served = await stack.enter_async_context(Server(tools_service(tool_settings, tools), tool_settings))
        own = Address("127.0.0.1", stack.enter_context(reserved_port()))
        agent = SdkAgent(folder, model, served.address, own, settings)
        await agent.start()
        stack.push_async_callback(agent.stop)
        yield agent


def obey(request: Request) -> Steps:
    """A script: hang, or fail, or echo, as the task says."""
    task = request.last_user_text
    if "hang" in task:
        return [Say("One moment "), Hang()]
    if "forbidden" in task:
        return Fail(401, "Incorrect API key provided: sk-...")
    return Say(f"You said: {task}")


async def first(stream: RunStream, kind: type[Event]) -> Event:
    """The first event of the kind, which must come."""
    async for event in stream:
        if isinstance(event, kind):
            return event
    raise AssertionError(f"no {kind.__name__}")


def assert_gapless(events: Iterable[Event]) -> None:
    assert all(after.sequence == before.sequence + 1 for before, after in pairwise(events))
