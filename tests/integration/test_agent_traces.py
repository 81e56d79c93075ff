"""The trace of a run in its log and in its spans: of steps that fail, and across workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.proto.trace.v1 import trace_pb2

from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.run_pb2 import RunOutcome, RunSpec
from tests.model_script import Call, Fail, Hang, Say, in_order
from tests.support.agent_mesh import AgentMesh, agent_mesh
from tests.support.collector import Collector, collecting
from tests.support.delegation import by_task, delegate

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from meshwright.v1.run_pb2 import Run

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"
ERROR = trace_pb2.Status.STATUS_CODE_ERROR


async def start_traced(mesh: AgentMesh) -> Run:
    session_id = await mesh.new_session()
    request = pb.StartRunRequest(session_id=session_id, spec=RunSpec(task="do it"))
    return (await mesh.stub.StartRun(request, metadata=(("traceparent", TRACEPARENT),))).run


def named(collector: Collector, name: str) -> list[Span]:
    found = [span for span in collector.spans if span.name == name and span.trace_id.hex() == TRACE_ID]
    return sorted(found, key=lambda span: span.start_time_unix_nano)


def said(span: Span, key: str) -> str:
    return next((a.value.string_value for a in span.attributes if a.key == key), "")


async def test_errors_of_a_run_mark_their_spans(tmp_path: Path) -> None:
    script = in_order([Call("file.read", {"path": "not-there.txt"})], [Fail(401)])
    async with collecting() as (collector, endpoint), agent_mesh(tmp_path, script, otlp_endpoint=endpoint) as mesh:
        run = await start_traced(mesh)
        events = await mesh.events(run.session_id, run.run_id)
    [call], [served] = named(collector, "tool.call"), named(collector, "tool.run")
    refused = named(collector, "model.request")[-1]
    [whole] = named(collector, "run")
    # Failing is what the tool did; that the model read of it is no failure of the step.
    reason = said(call, "error.type")
    assert (said(call, "outcome"), said(served, "outcome"), reason) == ("failed", "failed", said(served, "error.type"))
    assert said(refused, "error.type") == said(whole, "error.type") == "MODEL_AUTHENTICATION"
    assert said(whole, "outcome") == "failed"
    assert {call.status.code, served.status.code, refused.status.code, whole.status.code} == {ERROR}
    [ended] = [event for event in events if event.HasField("tool_call_finished")]
    assert ended.traceparent == f"00-{TRACE_ID}-{call.span_id.hex()}-01"
    assert events[-1].traceparent == f"00-{TRACE_ID}-{whole.span_id.hex()}-01"


async def test_a_run_that_is_taken_over_goes_on_in_its_trace(tmp_path: Path) -> None:
    async with collecting() as (collector, endpoint):
        async with agent_mesh(tmp_path, [Say("Half"), Hang()], otlp_endpoint=endpoint, hand_over_grace=0) as mesh:
            run = await start_traced(mesh)
            await mesh.wait_for(run.session_id, "text_delta")
        async with agent_mesh(tmp_path, [Say("Done.")], otlp_endpoint=endpoint) as mesh:
            events = await mesh.events(run.session_id, run.run_id)
    assert events[-1].run_finished.outcome == RunOutcome.RUN_OUTCOME_COMPLETED
    first, second = named(collector, "run")
    [started] = named(collector, "meshwright.v1.AgentService/StartRun")
    assert first.parent_span_id == second.parent_span_id == started.span_id
    attempts = [next(a.value.int_value for a in span.attributes if a.key == "attempt") for span in (first, second)]
    assert attempts == [1, 2]
    # It was left and not failed.
    assert (said(first, "error.type"), said(first, "outcome"), said(second, "outcome")) == ("", "", "completed")
    assert events[-1].traceparent == f"00-{TRACE_ID}-{second.span_id.hex()}-01"


async def test_a_sub_agent_works_inside_of_the_call_that_delegated_it(tmp_path: Path) -> None:
    script = by_task({"do it": [delegate("look"), Say("Done.")], "look": [Say("Found.")]})
    async with collecting() as (collector, endpoint), agent_mesh(tmp_path, script, otlp_endpoint=endpoint) as mesh:
        run = await start_traced(mesh)
        events = await mesh.events(run.session_id, run.run_id)
    root, child = named(collector, "run")
    [call] = named(collector, "tool.call")
    assert (call.parent_span_id, child.parent_span_id) == (root.span_id, call.span_id)
    [end] = [event for event in events if event.agent_path and event.HasField("run_finished")]
    assert end.traceparent == f"00-{TRACE_ID}-{child.span_id.hex()}-01"


async def test_without_tracing_events_carry_the_callers_trace_and_the_model_is_told_nothing(tmp_path: Path) -> None:
    async with agent_mesh(tmp_path, in_order([Call("file.list", {})], Say("Done."))) as mesh:
        run = await start_traced(mesh)
        events = await mesh.events(run.session_id, run.run_id)
        headers = [request.headers for request in mesh.model.requests]
    deltas = {"text_delta", "reasoning_delta"}
    assert {event.traceparent for event in events if event.WhichOneof("kind") not in deltas} == {TRACEPARENT}
    assert not [asked for asked in headers if "traceparent" in asked]
