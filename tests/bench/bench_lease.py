"""The time until a caller has a fresh, isolated, blank page. Ours is a lease over gRPC through the gateway while a context stands
ready, one caller at a time; beside it a new context and page on a browser that runs already, and a browser launched for
the task, both by Playwright in the caller's own process and with the same Chromium. The ways take turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshwright.v1.browser_service_pb2_grpc import BrowserServiceStub
from tests.bench.browsers import ThroughMesh, bare_playwright
from tests.bench.figures import percentile
from tests.bench.table import Beside, Row

if TYPE_CHECKING:
    from tests.bench.scene import Scene

ROUNDS = 40
OURS_IN_ROUND = 3
SECONDS = 30


async def run(scene: Scene) -> list[Row]:
    """Measure."""
    ours: list[float] = []
    contexts: list[float] = []
    launches: list[float] = []
    async with scene.mesh() as mesh, mesh.through_gateway() as channel, bare_playwright() as (bare, launched):
        pool = ThroughMesh(BrowserServiceStub(channel))
        for way in (pool, bare, launched):
            await way.lease()
        for _ in scene.rounds(ROUNDS, SECONDS):
            for _ in range(OURS_IN_ROUND):
                await pool.warm(1)
                ours.append(await pool.lease())
            await pool.warm(1)
            contexts.append(await bare.lease())
            launches.append(await launched.lease())
    return [
        Row(
            f"warm browser lease over gRPC, p{percent}",
            percentile(ours, percent) * 1000,
            "ms",
            (
                Beside("new context on a warm browser", percentile(contexts, percent) * 1000),
                Beside("launching Chromium", percentile(launches, percent) * 1000),
            ),
            budget=budget,
        )
        for percent, budget in ((50, 3.0), (99, 25.0))
    ]
