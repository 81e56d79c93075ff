"""Open a page of 300 cards in a fresh isolated browser at 1280x800, wait for its load event, take a JPEG of it and give the browser
back. Ours goes over gRPC through the gateway; beside it a new context on a warm browser, and a browser launched for each
task, both by Playwright in the caller's own process, with the same Chromium and page. The ways take turns: first one job at
a time, then eight workers that do one job after the other."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from meshwright.v1.browser_service_pb2_grpc import BrowserServiceStub
from tests.bench.browsers import ThroughMesh, bare_playwright
from tests.bench.figures import percentile
from tests.bench.table import Beside, Row

if TYPE_CHECKING:
    from tests.bench.browsers import Way
    from tests.bench.scene import Scene

ROUNDS = 4
SECONDS = 40
ALONE_IN_ROUND = 12
WORKERS = 8
JOBS_PER_WORKER = 4
OURS, WARM, LAUNCH = "mesh", "new context on a warm browser", "launching Chromium for each"


async def run(scene: Scene) -> list[Row]:
    """Measure."""
    async with scene.mesh() as mesh, mesh.through_gateway() as channel, bare_playwright() as (bare, launched):
        pool = ThroughMesh(BrowserServiceStub(channel))
        ways: dict[str, Way] = {OURS: pool, WARM: bare, LAUNCH: launched}
        alone: dict[str, list[float]] = {name: [] for name in ways}
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for way in ways.values():
            await _in_parallel(way, scene.page_url, 1)
        for _ in scene.rounds(ROUNDS, SECONDS):
            for name, way in ways.items():
                await pool.warm(3)
                alone[name] += await _alone(way, scene.page_url, scene.many(ALONE_IN_ROUND, 4))
            for name, way in ways.items():
                await pool.warm(3)
                rates[name].append(await _in_parallel(way, scene.page_url, scene.many(JOBS_PER_WORKER, 2)))
    medians = {name: percentile(samples, 50) * 1000 for name, samples in alone.items()}
    speeds = {name: percentile(samples, 50) for name, samples in rates.items()}
    return [
        Row("open, screenshot, give back: alone, p50", medians[OURS], "ms", _beside(medians), budget=110.0),
        Row(
            f"the same, {WORKERS} in parallel",
            speeds[OURS],
            "jobs/s",
            _beside(speeds),
            budget=12.0,
            more_is_better=True,
        ),
    ]


def _beside(figures: dict[str, float]) -> tuple[Beside, ...]:
    return Beside(WARM, figures[WARM]), Beside(LAUNCH, figures[LAUNCH])


async def _alone(way: Way, url: str, jobs: int) -> list[float]:
    """Seconds of each job, one after the other."""
    samples = []
    for _ in range(jobs):
        begun = time.perf_counter()
        await way.job(url)
        samples.append(time.perf_counter() - begun)
    return samples


async def _in_parallel(way: Way, url: str, jobs: int) -> float:
    """Jobs a second."""
    begun = time.perf_counter()
    await asyncio.gather(*(_alone(way, url, jobs) for _ in range(WORKERS)))
    return WORKERS * jobs / (time.perf_counter() - begun)
