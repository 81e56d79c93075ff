"""Traces, sent to a real OTLP receiver."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from tests.support.gateway_mesh import GetAgent, running_mesh

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT_ID = "b7ad6b7169203331"


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps every span it is sent."""

    def __init__(self) -> None:
        self.spans: asyncio.Queue[tuple[str, Span]] = asyncio.Queue()

    async def Export(self, request: Any, context: Any) -> Any:  # noqa: N802  # the contract's name
        for resource in request.resource_spans:
            service = next(a.value.string_value for a in resource.resource.attributes if a.key == "service.name")
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.put_nowait((service, span))
        return trace_service_pb2.ExportTraceServiceResponse()


async def test_a_callers_trace_goes_on_through_the_gateway_into_the_service(tmp_path: Path) -> None:
    collector = Collector()
    server = grpc.aio.server()
    register: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
    register(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with running_mesh(tmp_path, otlp_endpoint=f"http://127.0.0.1:{port}") as mesh:
            method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = mesh.channel.unary_unary(GetAgent)
            await method(b"", metadata=(("traceparent", f"00-{TRACE_ID}-{PARENT_ID}-01"),), timeout=30)
            async with asyncio.timeout(30):
                spans = {span.span_id.hex(): (service, span) for service, span in [await collector.spans.get()]}
                while not any(span.parent_span_id.hex() == PARENT_ID for _, span in spans.values()):
                    service, span = await collector.spans.get()
                    spans[span.span_id.hex()] = (service, span)
            traceparent = mesh.agent.metadata[-1]["traceparent"]
    finally:
        await server.stop(None)
    assert {service for service, _ in spans.values()} == {"meshwright-gateway"}
    assert {span.trace_id.hex() for _, span in spans.values()} == {TRACE_ID}
    version, trace_id, span_id, flags = traceparent.split("-")
    assert (version, trace_id, flags) == ("00", TRACE_ID, "01")
    assert span_id != PARENT_ID


async def test_without_a_collector_a_callers_trace_passes_untouched(tmp_path: Path) -> None:
    async with running_mesh(tmp_path) as mesh:
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = mesh.channel.unary_unary(GetAgent)
        sent = f"00-{TRACE_ID}-{PARENT_ID}-01"
        await method(b"", metadata=(("traceparent", sent),), timeout=30)
        assert mesh.agent.metadata[-1]["traceparent"] == sent


async def test_a_collector_that_is_down_costs_the_callers_nothing(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, otlp_endpoint="http://127.0.0.1:9") as mesh:
        assert await mesh.unary(GetAgent) == b"agent"
