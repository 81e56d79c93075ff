"""Traces reach a collector by OTLP, and calls hand on who they are to the calls they make."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from opentelemetry.proto.trace.v1 import trace_pb2

from meshwright.serving.address import Address
from meshwright.serving.calls import Call, current_call, current_traceparent, detached_context, entered, resumed
from meshwright.serving.channel import forward, open_channel
from meshwright.serving.errors import MeshError
from meshwright.serving.server import Server, Service
from meshwright.serving.settings import ServerSettings
from meshwright.serving.telemetry import install_tracing, open_tracing, outgoing_headers, outgoing_span, span
from meshwright.v1 import error_reason_pb2 as reasons
from tests.serving_echo import SERVICE, Echo, EchoStub, echo_behind_boundary, echo_request, register
from tests.support.collector import Collector, collecting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from meshwright.serving.health import Readiness

LIMIT = 60.0
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"


class TracedEcho(Echo):
    """An echo whose handler has a step of its own."""

    async def unary(self, request: Any, context: Any) -> Any:
        with span("echo.step", size=len(request.text)):
            return await super().unary(request, context)


@asynccontextmanager
async def open_echo(_readiness: Readiness) -> AsyncIterator[Echo]:
    yield TracedEcho()


async def test_every_call_is_a_span_in_the_callers_trace() -> None:
    async with collecting() as (collector, endpoint):
        settings = ServerSettings(listen=Address("127.0.0.1", 0), otlp_endpoint=endpoint)
        async with Server(Service(SERVICE, register, open_echo), settings) as server:
            async with open_channel(server.address) as channel:
                metadata = (("traceparent", TRACEPARENT), ("x-request-id", "mine"))
                await EchoStub(channel).send("Unary", echo_request(), metadata=metadata, timeout=LIMIT)
                with pytest.raises(grpc.aio.AioRpcError):
                    await EchoStub(channel).send("Chat", echo_request(behavior="crash"), timeout=LIMIT)
                with pytest.raises(grpc.aio.AioRpcError):
                    await EchoStub(channel).send("Parts", echo_request(behavior="mesh_error"), timeout=LIMIT)
            [call] = [call for call in server.servicer.calls if call.request_id == "mine"]
        # Leaving the server has sent what was left.
        spans = {each.name: each for each in collector.spans}
        assert set(spans) == {"echo.step", *(f"{SERVICE}/{method}" for method in ("Unary", "Chat", "Parts"))}
        assert collector.services == {SERVICE}
        served, step = spans[f"{SERVICE}/Unary"], spans["echo.step"]
        assert (served.trace_id.hex(), served.parent_span_id.hex()) == (TRACE_ID, "b7ad6b7169203331")
        assert step.parent_span_id == served.span_id
        assert call.traceparent == f"00-{TRACE_ID}-{step.span_id.hex()}-01"
        assert {a.key: a.value.int_value for a in served.attributes}["rpc.grpc.status_code"] == 0
        assert spans[f"{SERVICE}/Chat"].status.code == trace_pb2.Status.STATUS_CODE_ERROR
        assert spans[f"{SERVICE}/Parts"].status.code == trace_pb2.Status.STATUS_CODE_UNSET
        errors = {a.key: a.value.string_value for a in spans[f"{SERVICE}/Parts"].attributes}
        assert errors["error.type"] == "RUN_NOT_FOUND"


async def test_a_step_without_tracing_is_nothing() -> None:
    with span("outside of any call"):
        pass
    with entered(Call("/a.B/C", "r", TRACEPARENT)), span("inside") as step:
        call = current_call()
        assert call is not None
        assert call.traceparent == TRACEPARENT
        step.set({"size": 1})
        step.fail("INTERNAL")
    assert outgoing_headers() is None


@asynccontextmanager
async def tracing_to(collector: Collector, endpoint: str) -> AsyncIterator[None]:
    """Spans of this process go to the collector; they have arrived when the block is left."""
    tracing = open_tracing("test", endpoint)
    assert tracing is not None
    install_tracing(tracing)
    try:
        yield
    finally:
        install_tracing(None)
        await asyncio.to_thread(tracing.close)


LOST = MeshError(reasons.ERROR_REASON_RUN_CLAIM_LOST, "Lost.")


@pytest.mark.parametrize(
    ("error", "error_type", "cancelled"),
    [
        (LOST, "RUN_CLAIM_LOST", None),
        (ValueError("a secret"), "ValueError", None),
        (asyncio.CancelledError(), None, True),
    ],
)
async def test_what_leaves_a_step_marks_its_span(
    error: BaseException, error_type: str | None, cancelled: bool | None
) -> None:
    async with collecting() as (collector, endpoint):
        async with tracing_to(collector, endpoint):
            with pytest.raises(type(error)), entered(Call("/a.B/C", "r", TRACEPARENT)), span("step"):
                raise error
        [step] = collector.spans
    attributes = {a.key: a.value for a in step.attributes}
    assert (attributes["error.type"].string_value if error_type else None) == error_type
    assert attributes.get("error.type") is None or step.status.code == trace_pb2.Status.STATUS_CODE_ERROR
    assert ("meshwright.cancelled" in attributes) == bool(cancelled)
    assert "secret" not in str(step)


async def test_a_request_to_another_system_carries_its_own_span() -> None:
    async with collecting() as (collector, endpoint):
        async with tracing_to(collector, endpoint):
            with entered(Call("/a.B/C", "r", TRACEPARENT)), outgoing_span("model.request", {"size": 2}):
                headers = outgoing_headers()
        [request] = collector.spans
    assert headers == {"traceparent": f"00-{TRACE_ID}-{request.span_id.hex()}-01"}
    assert request.kind == trace_pb2.Span.SPAN_KIND_CLIENT
    assert [(a.key, a.value.int_value) for a in request.attributes] == [("size", 2)]


OTHER = "00-11111111111111111111111111111111-2222222222222222-01"


@pytest.mark.parametrize(("sent", "expected"), [(OTHER, OTHER), ("", TRACEPARENT), ("00-nonsense", TRACEPARENT)])
async def test_a_message_of_a_shared_stream_brings_its_trace_along(sent: str, expected: str) -> None:
    with entered(Call("/a.B/C", "r", TRACEPARENT)):
        with resumed(sent):
            assert current_traceparent() == expected
        assert current_traceparent() == TRACEPARENT
    with resumed(OTHER):
        assert current_traceparent() == "", "outside of any call there is nothing to go on with"


WRITE_A_LINE = f"""
import logging
from meshwright.serving.calls import Call, entered
from meshwright.serving.logs import configure_logs
from meshwright.serving.settings import MeshSettings

configure_logs(MeshSettings.load(log_format="json"), "agent")
with entered(Call("run", "run_1", "{TRACEPARENT}", run_id="run_1")):
    logging.getLogger("library").warning("hello")
"""


def test_log_lines_say_for_which_run_and_in_which_trace() -> None:
    done = subprocess.run([sys.executable, "-c", WRITE_A_LINE], capture_output=True, text=True, check=True, timeout=120)
    line = json.loads(done.stderr)
    assert (line["event"], line["service"], line["run_id"], line["trace_id"]) == ("hello", "agent", "run_1", TRACE_ID)


ASK_A_SERVER = """
import httpx2
from meshwright.serving.logs import configure_logs
from meshwright.serving.settings import MeshSettings

configure_logs(MeshSettings.load(log_level="debug"), "gateway")
with httpx2.Client(transport=httpx2.MockTransport(lambda request: httpx2.Response(200))) as client:
    client.get("http://example.com")
"""


def test_clients_of_http_tell_nothing_of_calls_that_went_well() -> None:
    done = subprocess.run([sys.executable, "-c", ASK_A_SERVER], capture_output=True, text=True, check=True, timeout=120)
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("own", "left", "expected"),
    [(5.0, 2.0, 2.0), (1.0, 9.0, 1.0), (None, 3.0, 3.0), (4.0, None, 4.0), (None, None, None)],
)
async def test_a_call_made_on_behalf_of_another_knows_it(
    own: float | None, left: float | None, expected: float | None
) -> None:
    deadline = None if left is None else time.monotonic() + left
    async with echo_behind_boundary() as (echo, channel):
        with entered(Call("/a.B/C", "mine", TRACEPARENT, deadline=deadline)):
            options = forward(own)
            await EchoStub(channel).send("Parts", echo_request(), **options)
        [call] = echo.calls
    assert (call.request_id, call.traceparent) == ("mine", TRACEPARENT)
    if expected is None:
        assert options["timeout"] is None
    else:
        assert options["timeout"] == pytest.approx(expected, abs=0.5)


async def test_outside_of_any_call_only_the_own_deadline_counts() -> None:
    assert forward(3.0) == {"timeout": 3.0, "metadata": ()}


async def test_work_that_outlives_its_call_keeps_its_trace_and_loses_its_deadline() -> None:
    async def outlive() -> tuple[Call | None, float | None]:
        return current_call(), forward(None)["timeout"]

    with entered(Call("/a.B/C", "mine", TRACEPARENT, deadline=time.monotonic() + 1)) as parent:
        detached = asyncio.create_task(outlive(), context=detached_context())
        inherited = asyncio.create_task(outlive())
        assert current_call() is parent
    call, timeout = await detached
    assert call is not None
    assert (call.request_id, call.traceparent, timeout) == ("mine", TRACEPARENT, None)
    assert (await inherited)[1] is not None
