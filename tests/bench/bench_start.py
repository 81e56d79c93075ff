"""From starting the command `meshwright up` on a warm machine to the first answer of AgentService over gRPC through the gateway, and
to the whole mesh's being ready, browsers included, as the command itself says. The median of three starts after one that does
not count."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import grpc

from meshwright.serving.address import Address
from meshwright.serving.channel import open_channel
from meshwright.v1.agent_service_pb2 import GetAgentRequest
from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
from tests.bench.mesh import free_port, model_settings, users_environment
from tests.bench.table import Row

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from tests.bench.scene import Scene

STARTS = 3
PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 0.01
BUDGET = 5.0
READY = b"The mesh is ready"


async def run(scene: Scene) -> list[Row]:
    """Measure."""
    folder = Path(tempfile.mkdtemp(prefix="meshwright-bench-"))
    try:
        starts = [await _start(scene, folder) for _ in range(scene.many(STARTS, 1) + 1)][1:]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    answering, ready = (median(column) for column in zip(*starts, strict=True))
    return [
        Row("`meshwright up` to the first answer", answering, "s", budget=BUDGET),
        Row("`meshwright up` to everything ready", ready, "s", budget=BUDGET),
    ]


async def _start(scene: Scene, folder: Path) -> tuple[float, float]:
    """Seconds to the first answer and to the word that all is ready."""
    port = free_port()
    environment = {**users_environment(), **model_settings(scene.model_url)}
    begun = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "meshwright.cli", "up", "--port", str(port), "--data-dir", str(folder)),
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
        env=environment,
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await asyncio.gather(_answer(port, begun), _ready(process, begun))
    finally:
        process.send_signal(signal.SIGINT)
        await process.communicate()


async def _answer(port: int, begun: float) -> float:
    while True:
        async with open_channel(Address("127.0.0.1", port)) as channel:
            try:
                await AgentServiceStub(channel).GetAgent(GetAgentRequest(), timeout=5)
            except grpc.aio.AioRpcError:
                await asyncio.sleep(LOOK_SECONDS)
            else:
                return time.monotonic() - begun


async def _ready(process: Process, begun: float) -> float:
    assert process.stderr is not None
    said = b""
    async for line in process.stderr:
        if READY in line:
            return time.monotonic() - begun
        said += line
    raise AssertionError(f"meshwright up has ended:\n{said.decode(errors='replace')}")
