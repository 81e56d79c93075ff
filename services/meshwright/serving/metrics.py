"""Metrics: what a process tells Prometheus of itself, while an address for that is set; nothing at all otherwise.

Each room declares its metrics as `Family` values in a `metrics.py` of its own. From them the reference in docs/metrics.md is made.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, NamedTuple

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
    from prometheus_client.metrics_core import Metric

    from meshwright.serving.address import Address
    from meshwright.serving.settings import ServerSettings

log = structlog.get_logger(__name__)

QUICK = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Buckets in seconds of what ought to be quick."""
SLOW = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""Buckets in seconds of what may take a while."""


class Family(NamedTuple):
    """A metric. Labels take values of a small set, never ids or what callers make up."""

    kind: Literal["counter", "gauge", "histogram"]
    name: str
    """With its unit, and `_total` for a counter."""
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = QUICK


class Metrics:
    """The metrics of this process, as the rooms make them of their families."""

    def __init__(self) -> None:
        # Imported here: a process that tells nothing should not carry the library in its memory.
        from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector

        self.registry: CollectorRegistry = CollectorRegistry()
        self.address: Address | None = None
        """Where they are served, once they are."""
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def counter(self, family: Family) -> Counter:
        """A counter."""
        from prometheus_client import Counter

        return Counter(family.name, family.meaning, family.labels, registry=self.registry)

    def gauge(self, family: Family, read: Callable[[], float] | None = None) -> Gauge:
        """A gauge, set by whoever knows or read at each scrape. `read` is called in another thread and must be quick."""
        from prometheus_client import Gauge

        gauge = Gauge(family.name, family.meaning, family.labels, registry=self.registry)
        if read is not None:
            gauge.set_function(read)
        return gauge

    def histogram(self, family: Family) -> Histogram:
        """A histogram."""
        from prometheus_client import Histogram

        return Histogram(family.name, family.meaning, family.labels, registry=self.registry, buckets=family.buckets)

    def counted(self, family: Family, read: Callable[[], float]) -> None:
        """A counter that somebody else counts; `read` as for a gauge."""
        self.registry.register(_Counted(family, read))


class _Counted:
    def __init__(self, family: Family, read: Callable[[], float]) -> None:
        self._family = family
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """What Prometheus gets."""
        from prometheus_client.metrics_core import CounterMetricFamily

        yield CounterMetricFamily(self._family.name, self._family.meaning, value=self._read())


_installed: Metrics | None = None


@contextmanager
def open_metrics(settings: ServerSettings) -> Iterator[Metrics | None]:
    """The metrics of this process, served where the settings say; None where they say nothing. Raises StartupError."""
    if settings.metrics_address is None:
        yield None
        return
    # Imported here: a process that tells nothing should not carry an HTTP server in its memory.
    from meshwright.serving.metrics_endpoint import served

    metrics = Metrics()
    install_metrics(metrics)
    try:
        with served(metrics, settings.metrics_address, trusted=settings.trusted_network) as address:
            metrics.address = address
            log.info("metrics", address=str(address))
            yield metrics
    finally:
        install_metrics(None)


def install_metrics(metrics: Metrics | None) -> None:
    """Make this what rooms that are opened from now on add their metrics to; None: they keep quiet."""
    global _installed
    _installed = metrics


def installed_metrics() -> Metrics | None:
    """The metrics of this process; None while nobody asks for them."""
    return _installed
