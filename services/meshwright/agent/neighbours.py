"""Health of the services behind the agent, which the agent reports for them at the gateway."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from meshwright.v1 import browser_service_pb2, tool_service_pb2

if TYPE_CHECKING:
    from meshwright.serving.health import Readiness

TOOL_SERVICE = tool_service_pb2.DESCRIPTOR.services_by_name["ToolService"].full_name
BROWSER_SERVICE = browser_service_pb2.DESCRIPTOR.services_by_name["BrowserService"].full_name
RETRY_SECONDS = 1.0


async def follow_health(service: str, channel: grpc.aio.Channel, readiness: Readiness) -> None:
    """Report what the service says of itself, for ever; one that cannot be reached does not serve."""
    stub = HealthStub(channel)
    readiness.report_neighbour(service, serving=False)
    while True:
        watch = stub.Watch(HealthCheckRequest(service=service), wait_for_ready=True)  # type: ignore[attr-defined]  # not in types-grpcio-health-checking
        try:
            async for response in watch:
                readiness.report_neighbour(service, serving=response.status == HealthCheckResponse.SERVING)
        except grpc.aio.AioRpcError:
            readiness.report_neighbour(service, serving=False)
        finally:
            watch.cancel()
        await asyncio.sleep(RETRY_SECONDS)
