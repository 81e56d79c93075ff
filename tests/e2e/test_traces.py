"""One trace for a run: from the app that gives the task, through gateway, agent, model and tools, to the browser."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import TracerProvider

from meshwright.client import Mesh, RunFinished
from tests.model_script import Call, Request, Say, Steps
from tests.model_server import ModelServer
from tests.support.collector import Collector, collecting
from tests.support.mesh_process import mesh_process
from tests.support.web_pages import web_pages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from meshwright.client import Event
    from tests.support.mesh_process import MeshProcess

LIMIT = 60.0
AGENT = "meshwright.v1.AgentService"


@asynccontextmanager
async def traced_mesh(folder: Path, model: ModelServer, endpoint: str) -> AsyncIterator[MeshProcess]:
    """A mesh that sends its spans to the endpoint. All have been sent when the block is left."""
    starting = mesh_process(
        folder,
        MESHWRIGHT_OTLP_ENDPOINT=endpoint,
        MESHWRIGHT_MODEL="openai:scripted",
        MESHWRIGHT_OPENAI_BASE_URL=model.base_url,
    )
    # The collector and the model answer in this loop, so it must not be held up.
    mesh = await asyncio.to_thread(starting.__enter__)
    try:
        yield mesh
    finally:
        await asyncio.to_thread(starting.__exit__, None, None, None)


def open_a_page(url: str) -> Callable[[Request], Steps]:
    def script(request: Request) -> Steps:
        return Say("The page says hello.") if request.step else [Call("browser.open", {"url": url})]

    return script


class Trace:
    """The spans of one trace."""

    def __init__(self, collector: Collector, trace_id: str) -> None:
        self._spans = [span for span in collector.spans if span.trace_id.hex() == trace_id]
        self._by_id = {span.span_id: span for span in self._spans}

    def named(self, name: str) -> list[Span]:
        return sorted((s for s in self._spans if s.name == name), key=lambda s: s.start_time_unix_nano)

    def one(self, name: str) -> Span:
        [span] = self.named(name)
        return span

    def above(self, span: Span) -> list[str]:
        """The span ids from the span's parent to the root."""
        ids = []
        while span.parent_span_id:
            ids.append(span.parent_span_id.hex())
            if span.parent_span_id not in self._by_id:
                break
            span = self._by_id[span.parent_span_id]
        return ids


def attributes(span: Span) -> dict[str, object]:
    return {a.key: getattr(a.value, a.value.WhichOneof("value") or "string_value") for a in span.attributes}


async def test_a_run_is_one_trace_from_the_app_to_the_browser(tmp_path: Path) -> None:
    app = TracerProvider().get_tracer("app")
    async with AsyncExitStack() as stack:
        pages = await stack.enter_async_context(web_pages())
        url = pages.add("/hello", "<p>Hello</p>")
        model = await stack.enter_async_context(ModelServer(open_a_page(url)))
        collector, endpoint = await stack.enter_async_context(collecting())
        async with traced_mesh(tmp_path, model, endpoint) as running, Mesh(running.address) as mesh:
            with app.start_as_current_span("app") as asking:
                async with asyncio.timeout(LIMIT):
                    events: list[Event] = [event async for event in mesh.run(f"Open {url}")]
            session = mesh.session(events[0].session_id)
            with app.start_as_current_span("app again") as starting:
                async with asyncio.timeout(LIMIT):
                    run = await session.start("Open it again")
                    await run.result()
            # Envoy sends its spans every few seconds and keeps what it has not sent when it ends.
            for root in (asking, starting):
                await sent_below(root.get_span_context().span_id, collector)
    assert isinstance(events[-1], RunFinished)
    for root, method in ((asking, "Converse"), (starting, "StartRun")):
        context = root.get_span_context()
        assert_whole(Trace(collector, f"{context.trace_id:032x}"), f"{context.span_id:016x}", method)
    trace_id = f"{asking.get_span_context().trace_id:032x}"
    assert {event.traceparent[3:35] for event in events if event.traceparent} == {trace_id}
    trace = Trace(collector, trace_id)
    requests = [span.span_id.hex() for span in trace.named("model.request")]
    asked = [request.headers["traceparent"] for request in model.requests[: len(requests)]]
    assert asked == [f"00-{trace_id}-{span_id}-01" for span_id in requests]


async def sent_below(span_id: int, collector: Collector) -> None:
    """Wait until a span came whose parent is this one."""
    async with asyncio.timeout(LIMIT):
        while not any(span.parent_span_id == span_id.to_bytes(8) for span in collector.spans):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def assert_whole(trace: Trace, root: str, method: str) -> None:
    """Everything that happened for the run is in the trace, each under what it happened for."""
    served, run = trace.one(f"{AGENT}/{method}"), trace.one("run")
    # The gateway stands between the app and the service.
    assert trace.above(served)[-1] == root
    assert len(trace.above(served)) >= 2
    assert run.parent_span_id == served.span_id
    assert attributes(run)["outcome"] == "completed"
    steps = trace.named("model.step")
    assert [attributes(step)["step"] for step in steps] == [1, 2]
    assert {step.parent_span_id for step in steps} == {run.span_id}
    requests = trace.named("model.request")
    assert [request.parent_span_id for request in requests] == [step.span_id for step in steps]
    said = attributes(requests[0])
    assert said["gen_ai.request.model"] == "scripted"
    assert said["gen_ai.provider.name"] == "openai"
    assert isinstance(said["gen_ai.usage.input_tokens"], int)
    assert said["gen_ai.usage.input_tokens"] > 0
    call, running = trace.one("tool.call"), trace.one("tool.run")
    assert call.parent_span_id == run.span_id
    assert running.parent_span_id == call.span_id
    assert (attributes(running)["tool"], attributes(running)["outcome"]) == ("browser.open", "succeeded")
    commands = {attributes(command)["action"]: command for command in trace.named("browser.command")}
    assert commands["navigate"].parent_span_id == running.span_id
    assert commands["snapshot"].parent_span_id == running.span_id
