"""How many calls a server takes, how they end and how long they last."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pool

from meshwright.serving.metrics import Family

if TYPE_CHECKING:
    from grpc import StatusCode

    from meshwright.serving.calls import Call
    from meshwright.serving.metrics import Metrics

STARTED = Family("counter", "meshwright_rpc_started_total", "Calls that were begun.", ("method",))
HANDLED = Family(
    "counter", "meshwright_rpc_handled_total", "Calls that ended, by the name of their gRPC status.", ("method", "code")
)
SECONDS = Family("histogram", "meshwright_rpc_duration_seconds", "How long unary calls took.", ("method",))
OPEN_STREAMS = Family("gauge", "meshwright_rpc_open_streams", "Streams that are open.", ("method",))
FAMILIES = (STARTED, HANDLED, SECONDS, OPEN_STREAMS)
OTHER = "other"
"""The label of methods that nobody serves: callers could make up any number of them."""


class RpcMetrics:
    """The calls of a server that serves the service `name`."""

    def __init__(self, metrics: Metrics, name: str) -> None:
        self._streams = _methods(name)
        self._started = metrics.counter(STARTED)
        self._handled = metrics.counter(HANDLED)
        self._seconds = metrics.histogram(SECONDS)
        self._open = metrics.gauge(OPEN_STREAMS)

    @classmethod
    def of(cls, metrics: Metrics | None, name: str) -> RpcMetrics | None:
        """None where nobody asks for metrics."""
        return None if metrics is None else cls(metrics, name)

    def begin(self, call: Call) -> None:
        """A call begins."""
        method, streams = self._kind(call)
        self._started.labels(method).inc()
        if streams:
            self._open.labels(method).inc()

    def end(self, call: Call, code: StatusCode) -> None:
        """A call has ended."""
        method, streams = self._kind(call)
        self._handled.labels(method, code.name).inc()
        if streams:
            self._open.labels(method).dec()
        else:
            self._seconds.labels(method).observe(time.monotonic() - call.started)

    def _kind(self, call: Call) -> tuple[str, bool]:
        streams = self._streams.get(call.method)
        return (OTHER, False) if streams is None else (call.method.removeprefix("/"), streams)


def _methods(service: str) -> dict[str, bool]:
    """The full methods of a service of the contract, and which of them stream."""
    try:
        descriptor = descriptor_pool.Default().FindServiceByName(service)
    except KeyError:
        return {}
    return {
        f"/{service}/{method.name}": bool(method.client_streaming or method.server_streaming)
        for method in descriptor.methods
    }
