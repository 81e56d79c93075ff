"""What the agent tells Prometheus of its runs, its model, its store and its watchers.

Where something happens one line calls a method here, which returns at once while nobody asks for metrics.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

import structlog

from meshwright.agent.metric_families import (
    APPEND_FAILURES,
    APPEND_SECONDS,
    APPROVALS_PENDING,
    CLAIMS_LOST,
    COST,
    DELIVERY_SECONDS,
    FIRST_TOKEN_SECONDS,
    MODEL_REQUESTS,
    OTHER,
    RUN_SECONDS,
    RUNS_ACTIVE,
    RUNS_FINISHED,
    RUNS_QUEUED,
    STEPS,
    TAKEOVERS,
    TOKENS,
    TOOL_CALL_SECONDS,
    TOOL_CALLS,
    WATCHERS,
    WATCHERS_CUT_OFF,
)
from meshwright.agent.tracks import TRACKS, track_of
from meshwright.serving.errors import MeshError
from meshwright.store.refusals import InputsWaitingError
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.event_pb2 import Event
from meshwright.v1.run_pb2 import RunOutcome
from meshwright.v1.tool_pb2 import ToolOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from meshwright.agent.tracks import TrackName
    from meshwright.serving.metrics import Metrics
    from meshwright.store.interface import Store
    from meshwright.store.stored_event import StoredEvent
    from meshwright.v1.run_pb2 import Run, Usage
    from meshwright.v1.tool_pb2 import ToolCompletion

T = TypeVar("T")
log = structlog.get_logger(__name__)

MAX_MODELS = 32
"""Models with a label of their own. A caller may name any; those that answered first get one."""
QUEUE_SECONDS = 5.0
SAMPLE_SECONDS = 0.05
"""At most so often one event is looked at to see how long it took to reach a watcher."""


class _Made:
    """The metrics, while somebody asks for them."""

    def __init__(self, metrics: Metrics) -> None:
        self.queued = metrics.gauge(RUNS_QUEUED)
        self.finished = metrics.counter(RUNS_FINISHED)
        self.run_seconds = metrics.histogram(RUN_SECONDS)
        self.takeovers = metrics.counter(TAKEOVERS)
        self.claims_lost = metrics.counter(CLAIMS_LOST)
        self.steps = metrics.counter(STEPS)
        self.requests = metrics.counter(MODEL_REQUESTS)
        self.first_token = metrics.histogram(FIRST_TOKEN_SECONDS)
        self.tokens = metrics.counter(TOKENS)
        self.cost = metrics.counter(COST)
        self.tool_calls = metrics.counter(TOOL_CALLS)
        self.tool_seconds = metrics.histogram(TOOL_CALL_SECONDS)
        self.approvals = metrics.gauge(APPROVALS_PENDING)
        self.cut_off = metrics.counter(WATCHERS_CUT_OFF)
        self.delivery = metrics.histogram(DELIVERY_SECONDS)
        self.append_seconds = metrics.histogram(APPEND_SECONDS)
        self.append_failures = metrics.counter(APPEND_FAILURES)


class AgentMetrics:
    """The agent's metrics of this process; quiet until `open`."""

    def __init__(self) -> None:
        self.on: _Made | None = None
        self._models: set[str] = set()
        self._next_sample = 0.0

    def open(self, metrics: Metrics | None, active: Callable[[], float], watchers: Callable[[], float]) -> None:
        """Begin to tell, unless there is nobody to tell. `active` and `watchers` count runs at work and watchers now."""
        self.on = None
        self._models.clear()
        if metrics is not None:
            self.on = _Made(metrics)
            metrics.gauge(RUNS_ACTIVE, active)
            metrics.gauge(WATCHERS, watchers)

    async def follow_queue(self, store: Store, track: TrackName) -> None:
        """Ask now and then how many runs wait for a worker of this track, for ever; returns where nobody asks for metrics."""
        while self.on is not None:
            try:
                self.on.queued.labels(track).set(await store.claimable_runs(TRACKS[track]))
            except MeshError as error:
                log.warning("metrics.queue_unknown", reason=error.reason_name)
            await asyncio.sleep(QUEUE_SECONDS)

    def run_begun(self, run: Run) -> None:
        """A worker takes up a run."""
        if self.on is not None and run.attempt > 1:
            self.on.takeovers.inc()

    def run_left(self, run: Run) -> None:
        """A worker is done with a run, which may have ended."""
        if self.on is None or not run.finish_sequence:
            return
        track = track_of(run)
        self.on.finished.labels(RunOutcome.Name(run.outcome).removeprefix("RUN_OUTCOME_").lower(), track).inc()
        self.on.run_seconds.labels(track).observe(
            (run.finish_time.ToNanoseconds() - run.start_time.ToNanoseconds()) / 1e9
        )

    def claim_lost(self) -> None:
        """A run that was worked on here is another's."""
        if self.on is not None:
            self.on.claims_lost.inc()

    def model_answered(self, model: str, usage: Usage, first_token: float | None, error: BaseException | None) -> None:
        """A model step has ended, well or with `error`."""
        if (on := self.on) is None:
            return
        on.steps.inc()
        if first_token is not None and (model in self._models or len(self._models) < MAX_MODELS):
            self._models.add(model)
        label = model if model in self._models else OTHER
        on.requests.labels(label, _outcome(error)).inc()
        if first_token is not None:
            on.first_token.labels(label).observe(first_token)
        for kind, count in (
            ("input", usage.input_tokens),
            ("output", usage.output_tokens),
            ("cached_input", usage.cached_input_tokens),
            ("reasoning", usage.reasoning_tokens),
        ):
            if count:
                on.tokens.labels(label, kind).inc(count)
        if usage.cost_micros:
            on.cost.labels(label, usage.currency_code).inc(usage.cost_micros / 1e6)

    def tool_call_ended(self, tool: str, completion: ToolCompletion) -> None:
        """A call has ended. `tool` is empty where there is no such tool."""
        if (on := self.on) is None:
            return
        outcome = ToolOutcome.Name(completion.outcome).removeprefix("TOOL_OUTCOME_").lower()
        on.tool_calls.labels(tool or OTHER, outcome).inc()
        if completion.HasField("duration"):
            on.tool_seconds.labels(tool or OTHER).observe(completion.duration.ToNanoseconds() / 1e9)

    def approval_awaited(self, change: int) -> None:
        """So many questions more, or fewer, wait for a person."""
        if self.on is not None:
            self.on.approvals.inc(change)

    def watch_failed(self, error: MeshError) -> None:
        """A watcher's stream ends with an error; one fell too far behind where that says so."""
        if self.on is not None and error.reason == reasons.ERROR_REASON_READER_TOO_SLOW:
            self.on.cut_off.inc()

    def timed(self, appending: asyncio.Future[T]) -> asyncio.Future[T]:
        """The same append, whose time and failure are told."""
        if self.on is not None:
            began = time.perf_counter()
            appending.add_done_callback(lambda done: self._appended(began, done))
        return appending

    def _appended(self, began: float, done: asyncio.Future[T]) -> None:
        if self.on is None or done.cancelled():
            return
        error = done.exception()
        if error is None:
            self.on.append_seconds.observe(time.perf_counter() - began)
        elif isinstance(error, MeshError) and not isinstance(error, InputsWaitingError):
            self.on.append_failures.labels(_outcome(error)).inc()

    def due(self) -> bool:
        """Whether it is time to look at an event that was sent."""
        if self.on is None or (now := time.monotonic()) < self._next_sample:
            return False
        self._next_sample = now + SAMPLE_SECONDS
        return True

    def delivered(self, events: Sequence[StoredEvent]) -> None:
        """These events have just been written to a watcher, live."""
        if self.on is not None and events:
            made = Event.FromString(events[-1].payload).time.ToNanoseconds()
            self.on.delivery.observe(max(0.0, (time.time_ns() - made) / 1e9))


def _outcome(error: BaseException | None) -> str:
    if error is None:
        return "ok"
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    return error.reason_name.lower() if isinstance(error, MeshError) else OTHER


agent_metrics = AgentMetrics()
