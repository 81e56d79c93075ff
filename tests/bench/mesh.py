"""The whole mesh in its processes, as `meshwright up` starts it, for a benchmark to measure."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from meshwright.cli.up.mesh import LocalMesh
from meshwright.cli.up.plan import Plan, make_runtime_dir
from meshwright.serving.address import Address
from meshwright.serving.channel import open_channel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import grpc

START_SECONDS = 60.0
SERVICES = ("gateway", "agent", "tools", "browser", "site")


class BenchMesh:
    """A running mesh: its processes, its front door, and the sockets behind it."""

    def __init__(self, plan: Plan, processes: LocalMesh) -> None:
        self.gateway = Address("127.0.0.1", plan.port)
        self._plan = plan
        self._processes = processes

    def pid(self, service: str) -> int:
        """Process id of a service."""
        pid = self._processes.children[service].pid
        assert pid is not None, f"{service} has died"
        return pid

    def address(self, service: str) -> str:
        """Where a service itself listens, as gRPC takes it."""
        return f"unix:{self._plan.socket(service)}"

    def direct(self, service: str) -> grpc.aio.Channel:
        """A channel to a service itself, past the gateway."""
        return open_channel(Address(path=str(self._plan.socket(service))))

    def through_gateway(self) -> grpc.aio.Channel:
        """A channel through the front door."""
        return open_channel(self.gateway)


@asynccontextmanager
async def running_mesh(model_url: str, **settings: str) -> AsyncIterator[BenchMesh]:
    """Start the mesh with the scripted model at `model_url`, wait until all of it is healthy, and stop it in the end."""
    folder = Path(tempfile.mkdtemp(prefix="meshwright-bench-"))
    runtime = make_runtime_dir()
    try:
        (folder / "logs").mkdir()
        plan = Plan("127.0.0.1", free_port(), folder, runtime, model_settings(model_url) | settings)
        processes = LocalMesh(plan, lambda _child: None)
        processes.start()
        try:
            async with asyncio.timeout(START_SECONDS):
                await processes.ready()
            yield BenchMesh(plan, processes)
        finally:
            await processes.stop()
    finally:
        shutil.rmtree(runtime, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def model_settings(model_url: str) -> dict[str, str]:
    """Settings of a mesh that talks to the scripted model, and has room for the benchmarks."""
    return {
        "MESHWRIGHT_MODEL": "openai:scripted",
        "MESHWRIGHT_OPENAI_BASE_URL": model_url,
        "MESHWRIGHT_LOG_LEVEL": "warning",
        "MESHWRIGHT_MAX_RUNS": "1000",
        # Where the benchmarks' pages are.
        "MESHWRIGHT_EGRESS_ALLOW": "127.0.0.1",
    }


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def users_environment() -> dict[str, str]:
    """The environment of a process that somebody starts at a terminal."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("MESHWRIGHT_", "PYTHON"))}
