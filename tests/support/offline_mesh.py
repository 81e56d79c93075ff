"""The offline planner with everything it works with: the demo shop, a browser service with Chromium, and the tools, each real."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToDict

from meshwright.agent.prompt import tool_turn
from meshwright.browser.service import browser_service
from meshwright.browser.settings import BrowserSettings
from meshwright.models import AssistantTurn, ModelRequest, TextDelta, ToolCall, ToolSchema, Turn, UserTurn
from meshwright.models.offline.planner import OfflinePlanner
from meshwright.serving.address import Address
from meshwright.serving.server import Server
from meshwright.site.run import serve_site
from meshwright.site.settings import SiteSettings
from meshwright.v1 import tool_service_pb2
from tests.support.site_server import SHIPPED_DEMO
from tests.support.tool_stream import ToolClient, ToolStream, tool_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

MAX_STEPS = 20


@dataclass
class Conversation:
    """A session with the planner: what was said, and the calls of each step."""

    planner: OfflinePlanner
    tools: list[ToolSchema]
    stream: ToolStream
    turns: list[Turn] = field(default_factory=list)
    steps: list[list[tuple[str, dict[str, Any]]]] = field(default_factory=list)

    async def say(self, text: str) -> str:
        """Give the planner a task, carry out its calls, and return its answer."""
        self.turns.append(UserTurn(text))
        self.steps.clear()
        for _ in range(MAX_STEPS):
            async with aclosing(self.planner.stream(ModelRequest("", self.turns, self.tools))) as stream:
                parts = [part async for part in stream]
            calls = tuple(part for part in parts if isinstance(part, ToolCall))
            answer = "".join(part.text for part in parts if isinstance(part, TextDelta))
            self.turns.append(AssistantTurn(answer, calls))
            if not calls:
                return answer
            self.steps.append([(call.tool, call.arguments) for call in calls])
            done = await asyncio.gather(
                *(self.stream.run(call.tool, call.arguments, call_id=call.call_id) for call in calls)
            )
            self.turns += [tool_turn(call.call_id, call.tool, end) for call, end in zip(calls, done, strict=True)]
        raise AssertionError(f"no answer after {MAX_STEPS} steps: {self.steps}")


@dataclass
class OfflineMesh:
    """The running parts."""

    shop_url: str
    tools: ToolClient
    planner: OfflinePlanner
    folder: Path

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Conversation]:
        """A new session."""
        listed = await self.tools.stub.ListTools(tool_service_pb2.ListToolsRequest())
        schemas = [ToolSchema(t.name, t.description, MessageToDict(t.arguments_schema)) for t in listed.tools]
        async with self.tools.stream(f"ses_{uuid.uuid4().hex}") as stream:
            yield Conversation(self.planner, schemas, stream)


@asynccontextmanager
async def offline_mesh(folder: Path, demo: Path = SHIPPED_DEMO) -> AsyncIterator[OfflineMesh]:
    """Everything, with its data in `folder` and the demo shop's files in `demo`."""
    site = SiteSettings.load(listen=Address("127.0.0.1", 0), site_demo_dir=demo, site_page_dir=folder / "no-page")
    browser = BrowserSettings.load(
        listen=f"unix:{folder}/browser.sock", data_dir=folder / "browser", browser_warm=1, egress_allow="127.0.0.1"
    )
    async with (
        serve_site(site) as address,
        Server(browser_service(browser), browser) as served,
        tool_server(folder, browser_address=str(served.address)) as tools,
    ):
        shop_url = f"http://{address}/demo/"
        yield OfflineMesh(shop_url, tools, OfflinePlanner(shop_url), folder)
