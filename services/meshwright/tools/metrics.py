"""What the tool service tells Prometheus of its calls and files."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from meshwright.serving.metrics import SLOW, Family

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from meshwright.serving.metrics import Metrics

RUNNING = Family("gauge", "meshwright_tool_running_calls", "Calls that run.")
WAITING = Family(
    "gauge", "meshwright_tool_waiting_calls", "Calls that wait for their turn on a tab or a file, or for a free place."
)
WAIT_SECONDS = Family(
    "histogram", "meshwright_tool_wait_seconds", "From a call's arrival to its beginning.", buckets=SLOW
)
FAMILIES = (RUNNING, WAITING, WAIT_SECONDS)


class ToolMetrics:
    """The tool service's metrics of this process; quiet until `open`."""

    def __init__(self) -> None:
        self._on: _Made | None = None

    def open(self, metrics: Metrics | None) -> None:
        """Begin to tell, unless there is nobody to tell."""
        self._on = None if metrics is None else _Made(metrics)

    @contextmanager
    def call(self) -> Iterator[Callable[[], None]]:
        """A call waits for its turn inside the block, and runs there once it has called what it is given."""
        if self._on is None:
            yield _nothing
            return
        stages = self._on.stages()
        next(stages)
        try:
            yield lambda: next(stages)
        finally:
            stages.close()


class _Made:
    """The metrics, while somebody asks for them."""

    def __init__(self, metrics: Metrics) -> None:
        self._running = metrics.gauge(RUNNING)
        self._waiting = metrics.gauge(WAITING)
        self._waits = metrics.histogram(WAIT_SECONDS)

    def stages(self) -> Generator[None, None, None]:
        """The stages of one call: it waits, it runs; closed when it ends."""
        arrived = time.monotonic()
        with self._waiting.track_inprogress():
            yield
        self._waits.observe(time.monotonic() - arrived)
        with self._running.track_inprogress():
            yield


def _nothing() -> None:
    return


tool_metrics = ToolMetrics()
