"""A program that begins as the mesh's do, and starts children while it serves calls. Prints how many of them ended in which way."""

from __future__ import annotations

import meshwright.cli  # noqa: F401

# isort: split
import asyncio
import collections
import sys
from typing import Any

import grpc
import uvloop
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

CHILDREN = 300
CALLERS = 4


async def main() -> None:
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        callers = [asyncio.create_task(calling(channel)) for _ in range(CALLERS)]
        ends: collections.Counter[int] = collections.Counter()
        for _ in range(CHILDREN):
            child = await asyncio.create_subprocess_exec("true")
            ends[await child.wait()] += 1
        for caller in callers:
            caller.cancel()
        await asyncio.wait(callers)
    await server.stop(None)
    sys.stdout.write(f"{dict(ends)}\n")


async def calling(channel: grpc.aio.Channel) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    while True:
        await stub.Check(health_pb2.HealthCheckRequest())


if __name__ == "__main__":
    uvloop.run(main())
