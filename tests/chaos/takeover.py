"""How long runs stand still when their replica is killed or stopped: from the signal to the first event of the next worker, as a
client sees it who watches at the other replica.

    python -m tests.chaos.takeover --times 20
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from meshwright.serving.address import Address
from meshwright.serving.channel import open_channel
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
from meshwright.v1.event_pb2 import EventFilter, EventKind
from meshwright.v1.run_pb2 import RunSpec
from tests.chaos.process import Process
from tests.model_server import model_server_process
from tests.support.mesh_process import clean_environment
from tests.support.redis_server import RedisServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

RUNS = 8
"""Runs at work at once. What is counted is one time for each of them and each signal."""
PATIENCE = 60.0
ENDLESS = "stream 1000000 tokens every 100 ms"


class Replica:
    """One agent, and a client of it."""

    def __init__(self, process: Process, socket: Path) -> None:
        self.process = process
        self._address = Address.parse(f"unix:{socket}")

    @contextlib.asynccontextmanager
    async def stub(self) -> AsyncIterator[AgentServiceStub]:
        """A client of its own."""
        async with open_channel(self._address) as channel:
            yield AgentServiceStub(channel)


async def measure(times: int, number: signal.Signals) -> list[float]:
    """Seconds, sorted."""
    with tempfile.TemporaryDirectory(prefix="takeover-") as name, model_server_process() as model:
        folder = Path(name)
        with RedisServer(folder) as redis:
            environment = clean_environment(
                MESHWRIGHT_DATA_DIR=name,
                MESHWRIGHT_MODEL="openai:scripted",
                MESHWRIGHT_OPENAI_BASE_URL=model,
                MESHWRIGHT_STORE_URL=redis.url,
                MESHWRIGHT_TOOLS_ADDRESS=f"unix:{folder / 'tools.sock'}",
                MESHWRIGHT_HAND_OVER_GRACE="0",
                MESHWRIGHT_RUN_TIMEOUT="86400",
            )
            tools = Process("tools", ("meshwright.cli.serve", "tools"), folder / "tools.sock", environment)
            replicas = []
            for each in ("one", "two"):
                socket = folder / f"{each}.sock"
                process = Process(each, ("meshwright.cli.serve", "agent"), socket, environment)
                replicas.append(Replica(process, socket))
            try:
                await tools.start()
                return await _measure(replicas[0], replicas[1], times, number)
            finally:
                await asyncio.gather(*(process.end() for process in (tools, *(r.process for r in replicas))))


async def _measure(busy: Replica, idle: Replica, times: int, number: signal.Signals) -> list[float]:
    await busy.process.start()
    async with busy.stub() as stub:
        sessions = [await _begun(stub) for _ in range(RUNS)]
    found: list[float] = []
    for _ in range(times):
        await idle.process.start()
        async with idle.stub() as stub:
            watches = [asyncio.create_task(_resumed(stub, session_id)) for session_id in sessions]
            await _watching(stub)
            at = time.monotonic()
            busy.process.send(number)
            found += [resumed - at for resumed in await asyncio.gather(*watches)]
        await busy.process.ended()
        busy, idle = idle, busy
    return sorted(found)


async def _begun(stub: AgentServiceStub) -> str:
    """A session whose run talks for ever."""
    created = await stub.CreateSession(pb.CreateSessionRequest(), wait_for_ready=True)
    session_id = created.session.session_id
    await stub.StartRun(pb.StartRunRequest(session_id=session_id, spec=RunSpec(task=ENDLESS)))
    wanted = EventFilter(kinds=[EventKind.EVENT_KIND_TEXT_DELTA])
    async for frame in stub.WatchSession(pb.WatchSessionRequest(session_id=session_id, filter=wanted)):
        if frame.events:
            break
    return str(session_id)


async def _watching(stub: AgentServiceStub) -> None:
    """Wait until the watches that were begun before are attached: calls of a connection arrive in order."""
    await stub.GetAgent(pb.GetAgentRequest(), timeout=PATIENCE)
    await asyncio.sleep(0.5)


async def _resumed(stub: AgentServiceStub, session_id: str) -> float:
    """When the next worker's first event is seen."""
    last = (await stub.GetSession(pb.GetSessionRequest(session_id=session_id))).session.last_sequence
    wanted = EventFilter(kinds=[EventKind.EVENT_KIND_RUN_STARTED])
    request = pb.WatchSessionRequest(session_id=session_id, after_sequence=last, filter=wanted)
    async with asyncio.timeout(PATIENCE):
        async for frame in stub.WatchSession(request):
            if frame.events:
                return time.monotonic()
    raise AssertionError("the watch ended")


def main() -> int:
    """Measure both and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.takeover", description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="signals of each kind")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGKILL):
        found = asyncio.run(measure(options.times, number))
        p50, p99 = statistics.median(found), found[int(len(found) * 0.99)]
        sys.stdout.write(
            f"{number.name}: {len(found)} takeovers, p50 {p50:.3f} s, p99 {p99:.3f} s, longest {found[-1]:.3f} s\n"
        )
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
