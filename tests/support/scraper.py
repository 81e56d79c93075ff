"""Reads metrics as Prometheus does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from meshwright.serving.metrics import installed_metrics

if TYPE_CHECKING:
    from meshwright.serving.address import Address

LIMIT = 60.0


def metrics_address() -> Address:
    """Where this process tells its metrics."""
    metrics = installed_metrics()
    assert metrics is not None
    assert metrics.address is not None
    return metrics.address


class Scraper:
    """Reads the endpoint at `host:port`."""

    def __init__(self, address: str) -> None:
        self._url = f"http://{address}/metrics"

    async def samples(self) -> dict[str, float]:
        """Every sample, as `name{label=value}`."""
        async with aiohttp.ClientSession() as http, http.get(self._url) as response:
            assert response.status == 200
            text = await response.text()
        found = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
                found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
        return found

    async def becomes(self, **expected: float) -> None:
        """Wait until these samples, by their names with labels as `samples` has them, have these values."""
        async with asyncio.timeout(LIMIT):
            while True:
                samples = await self.samples()
                if all(samples.get(name) == value for name, value in expected.items()):
                    return
                await asyncio.sleep(0.02)
