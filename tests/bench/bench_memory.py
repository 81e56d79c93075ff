"""Memory of each service: resident (RSS) and, where the system can tell, with what processes share divided among those who share it
(PSS). First idle, three warm browsers ready and nothing else done; then after load: 50 sessions that streamed at once, 16 browser
jobs, and while 1,000 sessions are open, each with a watcher. The browser's figure is that of its whole tree: the service, Playwright's
driver and every Chromium process. What a watcher costs is the agent's growth over 1,000 watchers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from meshwright.v1.agent_service_pb2 import WatchSessionRequest
from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
from meshwright.v1.browser_service_pb2_grpc import BrowserServiceStub
from tests.bench.browsers import ThroughMesh
from tests.bench.figures import MIB, Memory, memory
from tests.bench.mesh import SERVICES
from tests.bench.table import Row
from tests.bench.watching import NativeDoor, Pace, Seen, watch_run

if TYPE_CHECKING:
    from tests.bench.mesh import BenchMesh
    from tests.bench.scene import Scene

IDLE_BUDGET, OPEN_SESSIONS_BUDGET, WATCHER_BUDGET = 80.0, 120.0, 30.0
JOBS_AT_ONCE = 8


async def run(scene: Scene) -> list[Row]:
    """Measure."""
    watchers = scene.many(1_000, 50)
    async with scene.mesh() as mesh, mesh.direct("agent") as channel, mesh.through_gateway() as front:
        stub = AgentServiceStub(channel)
        pool = ThroughMesh(BrowserServiceStub(front))
        await pool.warm(3)
        idle = _memory(mesh)
        sessions = scene.many(50, 10)
        await asyncio.gather(*(watch_run(NativeDoor(stub), Pace(100, 5), Seen()) for _ in range(sessions)))
        for _ in range(scene.many(2, 1)):
            await asyncio.gather(*(pool.job(scene.page_url) for _ in range(JOBS_AT_ONCE)))
        await pool.warm(3)
        door = NativeDoor(stub)
        session_ids = [await door.new_session() for _ in range(watchers)]
        before = memory(mesh.pid("agent")).rss
        watches = [stub.WatchSession(WatchSessionRequest(session_id=session_id)) for session_id in session_ids]
        try:
            await asyncio.gather(*(watch.read() for watch in watches))
            loaded = _memory(mesh)
            grown = memory(mesh.pid("agent")).rss - before
        finally:
            for watch in watches:
                watch.cancel()
    return [
        *_rows("idle", idle, {"agent": IDLE_BUDGET}),
        *_rows("after load", loaded, {"agent": OPEN_SESSIONS_BUDGET}),
        Row("memory of a watcher", max(grown, 0) * MIB / 1024 / watchers, "KiB", budget=WATCHER_BUDGET),
    ]


def _memory(mesh: BenchMesh) -> dict[str, Memory]:
    return {service: memory(mesh.pid(service)) for service in SERVICES}


def _rows(when: str, found: dict[str, Memory], budgets: dict[str, float]) -> list[Row]:
    return [
        Row(
            f"memory of {service}, {when}",
            used.rss,
            "MiB",
            budget=budgets.get(service),
            note=f"PSS {used.pss:.0f}" if used.pss else "",
        )
        for service, used in found.items()
    ]
