"""Prometheus reads the processes of a mesh that a person started."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from meshwright.client import Mesh
from tests.support.scraper import Scraper

if TYPE_CHECKING:
    from tests.support.mesh_process import MeshProcess

LIMIT = 60.0


def scraper(mesh: MeshProcess, service: str) -> Scraper:
    """Of a service, at the free port that it took."""
    addresses = [str(line["address"]) for line in mesh.log(service) if line["event"] == "metrics"]
    return Scraper(addresses[-1])


async def test_a_task_can_be_read_from_the_metrics_of_each_service(mesh: MeshProcess) -> None:
    agent, tools, browser = (scraper(mesh, service) for service in ("agent", "tools", "browser"))
    scrapers = (agent, tools, browser)
    before = [await each.samples() for each in scrapers]
    async with Mesh(mesh.address) as client, asyncio.timeout(LIMIT):
        await client.ask(f"Open {mesh.url}/demo/ and tell me what the desk lamp costs")
    after = [await each.samples() for each in scrapers]

    def more(place: int, name: str) -> float:
        return after[place].get(name, 0) - before[place].get(name, 0)

    assert more(0, "meshwright_runs_finished_total{outcome=completed,track=stable}") == 1
    assert more(0, "meshwright_tool_calls_total{outcome=succeeded,tool=browser.open}") == 1
    assert more(0, "meshwright_model_requests_total{model=offline,outcome=ok}") >= 2
    assert more(1, "meshwright_tool_wait_seconds_count") >= 1
    assert more(2, "meshwright_browser_lease_wait_seconds_count") == 1
    leased, queued = (after[2][f"meshwright_browser_{name}"] for name in ("leased", "queued"))
    assert leased >= 1, "the session keeps its browser for a while"
    capacity = after[2]["meshwright_browser_capacity"]
    assert after[2]["meshwright_browser_utilization_ratio"] == (leased + queued) / capacity
