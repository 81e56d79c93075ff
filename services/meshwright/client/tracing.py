"""The caller's trace: the calls of an app that uses OpenTelemetry belong to its current span."""

from __future__ import annotations

import sys


def trace_metadata() -> tuple[tuple[str, str], ...]:
    """The W3C trace context of the app's current span as metadata of a call; nothing where there is none.

    An app with a current span has loaded OpenTelemetry. So it is not loaded here, and one that does without pays nothing.
    """
    if "opentelemetry.trace" not in sys.modules:
        return ()
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return tuple(carrier.items())
