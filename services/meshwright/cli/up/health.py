"""Asking the services of a mesh whether they are healthy."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import grpc

    from meshwright.cli.up.plan import Plan

LOOK_SECONDS = 0.02
OK = 200
GRPC_SERVICES = {
    "agent": "meshwright.v1.AgentService",
    "tools": "meshwright.v1.ToolService",
    "browser": "meshwright.v1.BrowserService",
}


async def wait_healthy(service: str, plan: Plan) -> None:
    """Wait until a service says that it can do its work, for as long as it takes."""
    if service in GRPC_SERVICES:
        await _wait_grpc(plan.socket(service))
    elif service == "site":
        await _wait_http(plan, plan.socket(service))
    else:
        await _wait_http(plan, None)


async def wait_served(plan: Plan) -> None:
    """Wait until the gateway says of every gRPC service that it can do its work: that is what clients are told."""
    async with _channel(plan.address) as channel:
        await asyncio.gather(*(_watch(channel, name) for name in GRPC_SERVICES.values()))


async def _wait_grpc(socket: Path) -> None:
    while not socket.exists():  # noqa: ASYNC110, ASYNC240  # a file that appears has nothing to await
        await asyncio.sleep(LOOK_SECONDS)
    async with _channel(f"unix:{socket}") as channel:
        await _watch(channel, "")


def _channel(target: str) -> grpc.aio.Channel:
    import grpc

    options = (
        ("grpc.default_authority", "localhost"),
        ("grpc.enable_http_proxy", 0),
        ("grpc.initial_reconnect_backoff_ms", 50),
        ("grpc.min_reconnect_backoff_ms", 50),
        ("grpc.max_reconnect_backoff_ms", 200),
    )
    return grpc.aio.insecure_channel(target, options=options)


async def _watch(channel: grpc.aio.Channel, service: str) -> None:
    """Wait until it serves."""
    import grpc
    from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
    from grpc_health.v1.health_pb2_grpc import HealthStub

    while True:
        watching = HealthStub(channel).Watch(  # type: ignore[attr-defined]  # the stubs package lacks it
            HealthCheckRequest(service=service), wait_for_ready=True
        )
        try:
            async for answer in watching:
                if answer.status == HealthCheckResponse.SERVING:
                    return
        except grpc.aio.AioRpcError:
            await asyncio.sleep(LOOK_SECONDS)
        finally:
            watching.cancel()


async def _wait_http(plan: Plan, socket: Path | None) -> None:
    """Wait for a 200 from a socket; from the gateway any answer will do, since it speaks for what is behind it."""
    while True:
        try:
            status = await _status(plan, socket)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            status = 0
        if status == OK or (status and socket is None):
            return
        await asyncio.sleep(LOOK_SECONDS)


async def _status(plan: Plan, socket: Path | None) -> int:
    opened = asyncio.open_unix_connection(socket) if socket else asyncio.open_connection(plan.host, plan.port)
    reader, writer = await opened
    try:
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        await writer.drain()
        status_line = await reader.readuntil(b"\r\n")
    finally:
        writer.close()
    return int(status_line.split()[1])
