"""What streaming costs: tokens from a model in a process of its own, through AgentService with its store, to watchers.

The model stamps each token with the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import grpc
import psutil
from meshwright.v1.agent_service_pb2 import CreateSessionRequest, StartRunRequest, WatchSessionRequest
from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
from meshwright.v1.run_pb2 import RunSpec
from tests.model_server import model_server_process

STAMP = re.compile(r"(\d+) ")
TOKENS = 400
EVERY_MS = 5


@dataclass(frozen=True)
class Streamed:
    """Figures of one run of the benchmark."""

    sessions: int
    p50_ms: float
    p99_ms: float
    first_event_ms: float
    cpu_ms_per_1000: float
    seconds: float
    rss_mb: float


@contextmanager
def agent_process(model_base_url: str, folder: Path) -> Iterator[tuple[psutil.Process, str]]:
    """AgentService in a process of its own, without tools."""
    address = f"unix:{folder / 'agent.sock'}"
    environment = {
        "PATH": "",
        "MESHWRIGHT_LISTEN": address,
        "MESHWRIGHT_DATA_DIR": str(folder),
        "MESHWRIGHT_MODEL": "openai:scripted",
        "MESHWRIGHT_OPENAI_BASE_URL": model_base_url,
        "MESHWRIGHT_TOOLS_ADDRESS": f"unix:{folder / 'tools.sock'}",
        "MESHWRIGHT_LOG_LEVEL": "warning",
        "MESHWRIGHT_MAX_RUNS": "1000",
    }
    with subprocess.Popen([sys.executable, "-m", "tests.bench.agent_process"], env=environment) as process:
        try:
            yield psutil.Process(process.pid), address
        finally:
            process.terminate()


async def stream(sessions: int, address: str, agent: psutil.Process, tokens: int = TOKENS) -> Streamed:
    """Have so many sessions stream at once and watch each."""
    channel = grpc.aio.insecure_channel(address, options=(("grpc.default_authority", "localhost"),))
    await asyncio.wait_for(channel.channel_ready(), 20)
    stub = AgentServiceStub(channel)
    delays: list[float] = []
    firsts: list[float] = []
    cpu = agent.cpu_times()
    begun = time.monotonic()
    await asyncio.gather(*(_one(stub, tokens, delays, firsts) for _ in range(sessions)))
    seconds = time.monotonic() - begun
    used = agent.cpu_times()
    spent = used.user + used.system - cpu.user - cpu.system
    await channel.close()
    return Streamed(
        sessions=sessions,
        p50_ms=median(delays) * 1000,
        p99_ms=quantiles(delays, n=100)[98] * 1000,
        first_event_ms=median(firsts) * 1000,
        cpu_ms_per_1000=spent * 1_000_000 / (sessions * tokens),
        seconds=seconds,
        rss_mb=agent.memory_info().rss / 2**20,
    )


async def _one(stub: AgentServiceStub, tokens: int, delays: list[float], firsts: list[float]) -> None:
    session_id = (await stub.CreateSession(CreateSessionRequest())).session.session_id
    task = f"stream {tokens} tokens every {EVERY_MS} ms, stamped"
    begun = time.monotonic()
    run = (await stub.StartRun(StartRunRequest(session_id=session_id, spec=RunSpec(task=task)))).run
    watch = stub.WatchSession(WatchSessionRequest(session_id=session_id, until_run_id=run.run_id))
    first = True
    async for response in watch:
        now = time.monotonic_ns()
        for event in response.events:
            if first:
                firsts.append(time.monotonic() - begun)
                first = False
            for stamp in STAMP.findall(event.text_delta.text):
                delays.append((now - int(stamp)) / 1e9)


async def main() -> None:
    """Print a table."""
    with tempfile.TemporaryDirectory() as folder, model_server_process() as model:
        with agent_process(model, Path(folder)) as (agent, address):
            await stream(1, address, agent, 50)
            for sessions in (1, 50, 200):
                print(await stream(sessions, address, agent))


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
