"""AgentService alone in a process, for benchmarks; its tool service is an empty one in the same process."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import uvloop
from meshwright.agent.service import agent_service
from meshwright.agent.settings import AgentSettings
from meshwright.serving.logs import configure_logs
from meshwright.serving.process import serve
from meshwright.serving.server import Server, Service
from meshwright.serving.settings import ServerSettings
from meshwright.v1.tool_service_pb2 import ListToolsResponse
from meshwright.v1.tool_service_pb2_grpc import add_ToolServiceServicer_to_server

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from meshwright.serving.health import Readiness


class NoTools:
    """A tool service without tools."""

    async def ListTools(self, request: object, context: object) -> ListToolsResponse:  # noqa: N802 - the contract's name
        return ListToolsResponse()

    Execute = Call = DeleteWorkspace = ListTools


@asynccontextmanager
async def _opened(readiness: Readiness) -> AsyncGenerator[Any, None]:
    yield NoTools()


async def main() -> None:
    """Serve until SIGTERM."""
    settings = AgentSettings.load()
    tools = Service("meshwright.v1.ToolService", add_ToolServiceServicer_to_server, _opened)
    tool_settings = ServerSettings.load(listen=settings.tools_address)
    async with Server(tools, tool_settings):
        configure_logs(settings, "agent")
        await serve(agent_service(settings), settings)


if __name__ == "__main__":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(main())
