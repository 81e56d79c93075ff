"""Tracing: a server span for every RPC, exported by OTLP when an endpoint is set, nothing at all otherwise."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from grpc import StatusCode

from meshwright.serving.calls import TRACEPARENT_KEY, current_call, entered

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, SpanKind
    from opentelemetry.util.types import AttributeValue

    from meshwright.serving.calls import Call

# The codes that mean that the server failed rather than the caller; OpenTelemetry's conventions for gRPC name the same.
SERVER_FAULTS = frozenset(
    {
        StatusCode.UNKNOWN,
        StatusCode.DEADLINE_EXCEEDED,
        StatusCode.UNIMPLEMENTED,
        StatusCode.INTERNAL,
        StatusCode.UNAVAILABLE,
        StatusCode.DATA_LOSS,
    }
)


class Tracing:
    """The spans of a process, given to the provider's exporters."""

    def __init__(self, provider: TracerProvider) -> None:
        # Imported here: a process that does not trace should not carry OpenTelemetry in its memory.
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("meshwright")
        self._propagator = TraceContextTextMapPropagator()
        self._trace = trace

    def start_server_span(self, call: Call) -> None:
        """Give the call its span, and the span's trace context to what happens on behalf of the call."""
        service, _, method = call.method.lstrip("/").rpartition("/")
        attributes = {
            "rpc.system": "grpc",
            "rpc.service": service,
            "rpc.method": method,
            "meshwright.request_id": call.request_id,
        }
        call.span = self.start_span(f"{service}/{method}", call, self._trace.SpanKind.SERVER, attributes)
        call.traceparent = _traceparent(call.span)

    def end_server_span(self, call: Call, code: StatusCode, reason: str) -> None:
        """Close the span of a call that ended with this status; `reason` is its ErrorReason's name or empty."""
        span = call.span
        if span is None:
            return
        span.set_attribute("rpc.grpc.status_code", code.value[0])
        if reason:
            span.set_attribute("error.type", reason)
        if code in SERVER_FAULTS:
            span.set_status(self._trace.StatusCode.ERROR, reason or code.name)
        span.end()

    @contextmanager
    def step(self, call: Call, name: str, attributes: Mapping[str, AttributeValue]) -> Iterator[None]:
        """A span inside the call; calls made in the block belong to it."""
        span = self.start_span(name, call, self._trace.SpanKind.INTERNAL, attributes)
        with (
            self._trace.use_span(span, end_on_exit=True, record_exception=False),
            entered(replace(call, traceparent=_traceparent(span))),
        ):
            yield

    def start_span(self, name: str, call: Call, kind: SpanKind, attributes: Mapping[str, AttributeValue]) -> Span:
        """A span whose parent is the call's trace context."""
        parent = self._propagator.extract({TRACEPARENT_KEY: call.traceparent})
        return self._tracer.start_span(name, context=parent, kind=kind, attributes=attributes)

    def close(self) -> None:
        """Send what is left and stop; blocks for the exporter's timeout at most."""
        self._provider.shutdown()


_installed: Tracing | None = None


def install_tracing(tracing: Tracing | None) -> None:
    """Make `span` write to this tracing from now on."""
    global _installed
    _installed = tracing


@contextmanager
def span(name: str, **attributes: AttributeValue) -> Iterator[None]:
    """A span for a step of the current call, such as a model step; costs nothing to speak of while tracing is off."""
    call = current_call()
    if _installed is None or call is None:
        yield
        return
    with _installed.step(call, name, attributes):
        yield


def open_tracing(service: str, endpoint: str) -> Tracing | None:
    """Tracing of the process named `service` to the OTLP endpoint; None when the endpoint is empty."""
    if not endpoint:
        return None
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": service}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=5)))
    return Tracing(provider)


def _traceparent(span: Span) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
