"""The tools server."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from meshwright.serving import process
from meshwright.serving.metrics import installed_metrics
from meshwright.serving.server import Service
from meshwright.tools.catalogue import catalogue
from meshwright.tools.metrics import tool_metrics
from meshwright.tools.service import ToolServicer
from meshwright.tools.workbench import open_workbench
from meshwright.v1.tool_service_pb2_grpc import add_ToolServiceServicer_to_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from meshwright.serving.health import Readiness
    from meshwright.tools.settings import ToolSettings
    from meshwright.tools.tool import Tool


def tools_service(settings: ToolSettings, tools: Iterable[Tool] | None = None) -> Service[ToolServicer]:
    """ToolService with the given tools, by default those of the catalogue."""

    @asynccontextmanager
    async def opened(_readiness: Readiness) -> AsyncIterator[ToolServicer]:
        tool_metrics.open(installed_metrics())
        offered = catalogue(settings) if tools is None else tools
        async with open_workbench(settings, offered) as bench:
            yield ToolServicer(bench)

    async def drain(servicer: ToolServicer) -> None:
        await servicer.go_away(settings.stop_grace)

    return Service(
        name="meshwright.v1.ToolService", register=add_ToolServiceServicer_to_server, open=opened, drain=drain
    )


def run(settings: ToolSettings) -> int:
    """Serves until SIGTERM or SIGINT; returns the exit code."""
    return process.run(tools_service(settings), settings)
