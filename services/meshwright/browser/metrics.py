"""What the browser service tells Prometheus of its pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshwright.serving.metrics import Family

if TYPE_CHECKING:
    from prometheus_client import Counter, Histogram

    from meshwright.browser.pool import Pool
    from meshwright.egress.way_out import WayOut
    from meshwright.serving.metrics import Metrics

PROCESSES = Family("gauge", "meshwright_browser_processes", "Chromium processes that run.")
CAPACITY = Family("gauge", "meshwright_browser_capacity", "Leases that may be held at once.")
READY = Family("gauge", "meshwright_browser_ready", "Browser contexts that stand ready to be leased.")
LEASED = Family("gauge", "meshwright_browser_leased", "Leases that are held.")
QUEUED = Family("gauge", "meshwright_browser_queued", "Callers that wait for a browser.")
UTILIZATION = Family(
    "gauge",
    "meshwright_browser_utilization_ratio",
    "(leased + queued) / capacity: above 1 callers wait. Made for autoscaling.",
)
LEASE_WAIT_SECONDS = Family(
    "histogram", "meshwright_browser_lease_wait_seconds", "How long callers who got a lease had waited for it."
)
LEASES = Family(
    "counter",
    "meshwright_browser_leases_total",
    "Leases granted; warm: `true` where the browser stood ready before it was asked for, or `false`.",
    ("warm",),
)
REFUSED = Family(
    "counter", "meshwright_browser_refused_total", "Callers who got no browser in time, or found the queue full."
)
SENT_ON = Family(
    "counter",
    "meshwright_browser_sent_on_total",
    "Callers who got no browser here and went on to another replica, each time; none of them is refused.",
)
CRASHES = Family("counter", "meshwright_browser_crashes_total", "Chromium processes that ended by themselves.")
EGRESS_DENIED = Family(
    "counter",
    "meshwright_browser_egress_denied_total",
    "Requests and tunnels of pages that the egress rules refused; counted a few seconds later.",
)
RECYCLES = Family("counter", "meshwright_browser_recycles_total", "Chromium processes replaced because they were worn.")
FAMILIES = (
    PROCESSES,
    CAPACITY,
    READY,
    LEASED,
    QUEUED,
    UTILIZATION,
    LEASE_WAIT_SECONDS,
    LEASES,
    REFUSED,
    SENT_ON,
    CRASHES,
    RECYCLES,
    EGRESS_DENIED,
)


class BrowserMetrics:
    """The pool's metrics of this process; quiet until `open`."""

    def __init__(self) -> None:
        self._waits: Histogram | None = None
        self._leases: Counter | None = None
        self._refused: Counter | None = None
        self._sent_on: Counter | None = None

    def open(self, metrics: Metrics | None, pool: Pool, way: WayOut, capacity: int) -> None:
        """Begin to tell of this pool and its way to the network, unless there is nobody to tell."""
        self._waits = self._leases = self._refused = self._sent_on = None
        if metrics is None:
            return
        self._waits = metrics.histogram(LEASE_WAIT_SECONDS)
        self._leases = metrics.counter(LEASES)
        self._refused = metrics.counter(REFUSED)
        self._sent_on = metrics.counter(SENT_ON)
        metrics.gauge(PROCESSES, lambda: pool.fleet.size)
        metrics.gauge(CAPACITY).set(capacity)
        metrics.gauge(READY, lambda: pool.warm)
        metrics.gauge(LEASED, lambda: pool.leased)
        metrics.gauge(QUEUED, lambda: pool.queued)
        metrics.gauge(UTILIZATION, lambda: (pool.leased + pool.queued) / capacity)
        metrics.counted(CRASHES, lambda: pool.fleet.crashes)
        metrics.counted(RECYCLES, lambda: pool.fleet.recycles)
        metrics.counted(EGRESS_DENIED, lambda: way.denied)

    def granted(self, waited: float, *, warm: bool) -> None:
        """Somebody got a lease after so many seconds."""
        if self._waits is not None and self._leases is not None:
            self._waits.observe(waited)
            self._leases.labels(str(warm).lower()).inc()

    def refused(self, *, goes_on: bool) -> None:
        """Somebody got none, here or at all."""
        counter = self._sent_on if goes_on else self._refused
        if counter is not None:
            counter.inc()


browser_metrics = BrowserMetrics()
