"""Tracing: spans of RPCs and of the steps inside them, exported by OTLP when an endpoint is set, nothing at all otherwise."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from grpc import StatusCode

from meshwright.serving.calls import TRACEPARENT_KEY, current_call, current_traceparent, entered
from meshwright.serving.errors import MeshError

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


class Step:
    """An open span, as the code inside it sees it. While tracing is off there is none and every method does nothing."""

    __slots__ = ("_span",)

    def __init__(self, span: Span | None = None) -> None:
        self._span = span

    def set(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Add what is known only now."""
        if self._span is not None:
            self._span.set_attributes(attributes)

    def event(self, name: str, attributes: Mapping[str, AttributeValue]) -> None:
        """Something that happened at one moment of it."""
        if self._span is not None:
            self._span.add_event(name, attributes)

    def fail(self, error_type: str) -> None:
        """Mark it as failed though nothing is raised; `error_type` is an ErrorReason's name or another word of a small set."""
        if self._span is None:
            return
        from opentelemetry.trace import StatusCode as SpanStatus

        self._span.set_attribute("error.type", error_type)
        self._span.set_status(SpanStatus.ERROR, error_type)

    def end_with(self, error: BaseException) -> None:
        """Mark it with what left it. A cancellation is somebody's wish and no error."""
        if isinstance(error, MeshError):
            self.fail(error.reason_name)
        elif isinstance(error, asyncio.CancelledError | GeneratorExit):
            self.set({"meshwright.cancelled": True})
        else:
            self.fail(type(error).__name__)


_NO_STEP = Step()


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
    def step(
        self, call: Call, name: str, attributes: Mapping[str, AttributeValue], *, outgoing: bool = False
    ) -> Iterator[Step]:
        """A span inside the call; calls made in the block belong to it. `outgoing` says that another system is waited for."""
        kinds = self._trace.SpanKind
        span = self.start_span(name, call, kinds.CLIENT if outgoing else kinds.INTERNAL, attributes)
        step = Step(span)
        try:
            with (
                self._trace.use_span(span, record_exception=False, set_status_on_exception=False),
                entered(replace(call, traceparent=_traceparent(span))),
            ):
                yield step
        except BaseException as error:
            step.end_with(error)
            raise
        finally:
            span.end()

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
def span(name: str, **attributes: AttributeValue) -> Iterator[Step]:
    """A span for a step of the current call, such as a model step; costs nothing to speak of while tracing is off."""
    call = current_call()
    if _installed is None or call is None:
        yield _NO_STEP
        return
    with _installed.step(call, name, attributes) as step:
        yield step


@contextmanager
def outgoing_span(name: str, attributes: Mapping[str, AttributeValue]) -> Iterator[Step]:
    """As `span`, for a request to a system that is not of the mesh."""
    call = current_call()
    if _installed is None or call is None:
        yield _NO_STEP
        return
    with _installed.step(call, name, attributes, outgoing=True) as step:
        yield step


def outgoing_headers() -> dict[str, str] | None:
    """HTTP headers with which a system that is not of the mesh can join the trace; None while tracing is off."""
    traceparent = "" if _installed is None else current_traceparent()
    return {TRACEPARENT_KEY: traceparent} if traceparent else None


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
