"""Calls of the SDK belong to the current span of the app, where there is one."""

from __future__ import annotations

import subprocess
import sys

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span

from meshwright.client.sync.background import background
from meshwright.client.tracing import trace_metadata


def test_an_app_without_a_span_sends_nothing() -> None:
    assert trace_metadata() == ()


def test_an_app_without_opentelemetry_does_not_load_it() -> None:
    script = """
import sys
from meshwright.client.tracing import trace_metadata
assert trace_metadata() == ()
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def expected_of(span: Span) -> tuple[tuple[str, str], ...]:
    context = span.get_span_context()
    return (("traceparent", f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"),)


def test_the_current_span_goes_along() -> None:
    with TracerProvider().get_tracer("app").start_as_current_span("app") as span:
        assert trace_metadata() == expected_of(span)
    assert trace_metadata() == ()


def test_the_blocking_client_calls_on_behalf_of_its_callers_span() -> None:
    async def ask() -> tuple[tuple[str, str], ...]:
        return trace_metadata()

    assert background.run(ask()) == ()
    with TracerProvider().get_tracer("app").start_as_current_span("app") as span:
        assert background.run(ask()) == expected_of(span)
