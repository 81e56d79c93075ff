"""Memory of each service: resident (RSS) and, where the system can tell, with what processes share divided among those who share it
(PSS). First idle, three warm browsers ready and nothing else done; then after load: 50 sessions that streamed at once, 16 browser
jobs, and while 1,000 sessions are open, each with a watcher. The browser's figure is that of its whole tree: the service, Playwright's
driver and every Chromium process. What a watcher costs is the agent's growth over 1,000 watchers. Last, one session streams 200 tokens a
second, first with nobody else there and then while the 1,000 are watched: the median delay of its tokens, the second over the
first. On Redis: the same done to a second mesh on a Redis server of this machine (see streaming)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from meshwright.v1.agent_service_pb2 import WatchSessionRequest
from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
from meshwright.v1.browser_service_pb2_grpc import BrowserServiceStub
from tests.bench.browsers import ThroughMesh
from tests.bench.figures import MIB, Memory, memory, percentile
from tests.bench.mesh import SERVICES
from tests.bench.stores import meshes
from tests.bench.table import Row
from tests.bench.watching import NativeDoor, Pace, Seen, watch_run

if TYPE_CHECKING:
    from tests.bench.mesh import BenchMesh
    from tests.bench.scene import Scene

IDLE_BUDGET, OPEN_SESSIONS_BUDGET, WATCHER_BUDGET, CROWD_BUDGET = 80.0, 120.0, 30.0, 1.5
JOBS_AT_ONCE = 8


class Use(NamedTuple):
    """What one mesh was found to use."""

    idle: dict[str, Memory]
    loaded: dict[str, Memory]
    watcher_kib: float
    crowd: float
    """Delay of a token among many watched sessions, over that of one session alone."""


async def run(scene: Scene) -> list[Row]:
    """Measure."""
    async with meshes(scene) as both:
        embedded = await _use(scene, both.sqlite)
        shared = await _use(scene, both.redis)
    return [
        *_rows("idle", embedded.idle, shared.idle, {"agent": IDLE_BUDGET}),
        *_rows("after load", embedded.loaded, shared.loaded, {"agent": OPEN_SESSIONS_BUDGET}),
        Row("memory of a watcher", embedded.watcher_kib, "KiB", budget=WATCHER_BUDGET, on_redis=shared.watcher_kib),
        Row(
            f"token to event, among {_watchers(scene):,} watched sessions, over one alone, p50",
            embedded.crowd,
            "x",
            budget=CROWD_BUDGET,
            on_redis=shared.crowd,
        ),
    ]


def _watchers(scene: Scene) -> int:
    return scene.many(1_000, 50)


async def _use(scene: Scene, mesh: BenchMesh) -> Use:
    async with mesh.direct("agent") as channel, mesh.through_gateway() as front:
        stub = AgentServiceStub(channel)
        door = NativeDoor(stub)
        pool = ThroughMesh(BrowserServiceStub(front))
        await pool.warm(3)
        idle = _memory(mesh)
        await asyncio.gather(*(watch_run(door, Pace(100, 5), Seen()) for _ in range(scene.many(50, 10))))
        for _ in range(scene.many(2, 1)):
            await asyncio.gather(*(pool.job(scene.page_url) for _ in range(JOBS_AT_ONCE)))
        await pool.warm(3)
        alone = await _delay(scene, door)
        session_ids = [await door.new_session() for _ in range(_watchers(scene))]
        before = memory(mesh.pid("agent")).rss
        watches = [stub.WatchSession(WatchSessionRequest(session_id=session_id)) for session_id in session_ids]
        try:
            await asyncio.gather(*(watch.read() for watch in watches))
            loaded = _memory(mesh)
            grown = memory(mesh.pid("agent")).rss - before
            crowded = await _delay(scene, door)
        finally:
            for watch in watches:
                watch.cancel()
    return Use(idle, loaded, max(grown, 0) * MIB / 1024 / len(watches), crowded / alone)


async def _delay(scene: Scene, door: NativeDoor) -> float:
    """Median delay of the tokens of one session that streams."""
    seen = Seen()
    await watch_run(door, Pace(scene.many(600, 60), 5), seen)
    return percentile(seen.delays, 50)


def _memory(mesh: BenchMesh) -> dict[str, Memory]:
    return {service: memory(mesh.pid(service)) for service in SERVICES}


def _rows(when: str, embedded: dict[str, Memory], shared: dict[str, Memory], budgets: dict[str, float]) -> list[Row]:
    """The store makes a difference to the agent only."""
    return [
        Row(
            f"memory of {service}, {when}",
            used.rss,
            "MiB",
            budget=budgets.get(service),
            note=f"PSS {used.pss:.0f}" if used.pss else "",
            on_redis=shared[service].rss if service == "agent" else None,
        )
        for service, used in embedded.items()
    ]
