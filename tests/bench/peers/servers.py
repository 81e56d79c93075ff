"""The servers that are compared, one process each on loopback."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from tests.bench.mesh import free_port, running_mesh, users_environment
from tests.bench.peers.installed import installed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

Listening: TypeAlias = str | tuple[str, int]
"""The path of a Unix socket, or a host and a port."""
START_SECONDS, STOP_SECONDS = 90.0, 10.0
ROOT = Path(__file__).parents[3]
GRAPH = Path(__file__).with_name("langgraph_graph.py")
JOBS_AT_ONCE = "250"
"""LangGraph's server works on ten runs at once unless told otherwise."""
# Nothing is sent to anybody about what is measured here.
QUIET = {"LANGGRAPH_CLI_NO_ANALYTICS": "1", "LANGSMITH_TRACING": "false", "DO_NOT_TRACK": "1"}


class Server(NamedTuple):
    """A server that runs and can be asked."""

    name: str
    door: str
    address: str
    pid: int
    """Of the process that serves; 0 where nobody's cost is asked for."""
    python: Path
    """In whose environment its clients run."""


@asynccontextmanager
async def mesh(model_url: str) -> AsyncIterator[list[Server]]:
    """Ours: the agent's process by itself, and through the gateway."""
    async with running_mesh(model_url) as running:
        python = Path(sys.executable)
        yield [
            Server("Meshwright", "mesh", running.address("agent"), running.pid("agent"), python),
            Server("Meshwright, gateway", "mesh", str(running.gateway), running.pid("agent"), python),
        ]


@contextmanager
def langgraph(model_url: str) -> Iterator[Server]:
    """LangGraph's development server."""
    programs, port = installed(), free_port()
    with tempfile.TemporaryDirectory(prefix="bench-langgraph-") as name:
        folder = Path(name)
        config = folder / "langgraph.json"
        config.write_text(json.dumps({"dependencies": ["."], "graphs": {"agent": f"{GRAPH}:graph"}}))
        options = ["--port", str(port), "--no-browser", "--no-reload", "--n-jobs-per-worker", JOBS_AT_ONCE]
        command = [str(programs / "langgraph"), "dev", *options, "--server-log-level", "ERROR", "--config", str(config)]
        with _running(command, folder, {**QUIET, "BENCH_MODEL_URL": model_url}, ("127.0.0.1", port)) as pid:
            yield Server("LangGraph dev", "langgraph", f"http://127.0.0.1:{port}", pid, Path(sys.executable))


@contextmanager
def a2a(model_url: str) -> Iterator[Server]:
    """a2a-sdk over gRPC."""
    python = installed() / "python"
    with tempfile.TemporaryDirectory(prefix="bench-a2a-") as name:
        path = f"{name}/socket"
        command = [str(python), "-m", "tests.bench.peers.a2a_server", f"unix:{path}", model_url]
        with _running(command, ROOT, {}, path) as pid:
            yield Server("a2a-sdk", "a2a", f"unix:{path}", pid, python)


def model_itself(model_url: str) -> Server:
    """Nobody between the model and the clients."""
    return Server("the model itself", "model", model_url, 0, Path(sys.executable))


@contextmanager
def _running(command: Sequence[str], folder: Path, settings: dict[str, str], address: Listening) -> Iterator[int]:
    """The process id, once it listens."""
    environment = users_environment() | settings
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
        try:
            if not _comes_up(process, address):
                said.seek(0)
                raise RuntimeError(f"{command[0]} does not serve:\n{said.read().decode(errors='replace')}")
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _comes_up(process: subprocess.Popen[bytes], address: Listening) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as probe:
            if probe.connect_ex(address) == 0:
                return True
        time.sleep(0.1)
    return False
