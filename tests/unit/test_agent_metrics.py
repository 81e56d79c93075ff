"""What the agent's hooks tell, and that they are quiet while nobody asks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from meshwright.agent.metrics import MAX_MODELS, agent_metrics
from meshwright.serving.errors import MeshError
from meshwright.serving.metrics import Metrics
from meshwright.store.refusals import InputsWaitingError
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.run_pb2 import Run, Usage

TOO_SLOW = MeshError(reasons.ERROR_REASON_READER_TOO_SLOW, "Too slow.")
GONE = MeshError(reasons.ERROR_REASON_SESSION_NOT_FOUND, "Gone.")
LOST = MeshError(reasons.ERROR_REASON_RUN_CLAIM_LOST, "Lost.")


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    made = Metrics()
    agent_metrics.open(made, lambda: 3, lambda: 4)
    yield made
    agent_metrics.open(None, lambda: 0, lambda: 0)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_gauges_are_read_when_they_are_asked_for(metrics: Metrics) -> None:
    assert (value(metrics, "meshwright_runs_active"), value(metrics, "meshwright_watchers")) == (3, 4)


async def test_appends_are_timed_and_their_failures_counted(metrics: Metrics) -> None:
    loop = asyncio.get_running_loop()
    ends = (None, LOST, LOST, InputsWaitingError("run_1"), asyncio.CancelledError())
    for end in ends:
        appending: asyncio.Future[None] = loop.create_future()
        same = agent_metrics.timed(appending)
        if end is None:
            appending.set_result(None)
        elif isinstance(end, asyncio.CancelledError):
            appending.cancel()
        else:
            appending.set_exception(end)
        await asyncio.wait([same])
        assert same.cancelled() or same.exception() is end
    assert value(metrics, "meshwright_store_append_duration_seconds_count") == 1
    # Inputs that came in between are no failure of the store, and a cancellation is none either.
    [family] = metrics.registry.restricted_registry(["meshwright_store_append_failures_total"]).collect()
    assert [(sample.labels, sample.value) for sample in family.samples] == [({"reason": "run_claim_lost"}, 2)]


def test_only_watchers_that_were_too_slow_count_as_cut_off(metrics: Metrics) -> None:
    for error in (TOO_SLOW, GONE, TOO_SLOW):
        agent_metrics.watch_failed(error)
    assert value(metrics, "meshwright_watchers_cut_off_total") == 2


def test_runs_of_a_second_worker_are_takeovers(metrics: Metrics) -> None:
    for attempt in (1, 2, 3):
        agent_metrics.run_begun(Run(attempt=attempt))
    agent_metrics.claim_lost()
    assert value(metrics, "meshwright_run_takeovers_total") == 2
    assert value(metrics, "meshwright_claims_lost_total") == 1


def test_money_is_told_in_units_of_its_currency(metrics: Metrics) -> None:
    usage = Usage(input_tokens=10, output_tokens=5, cached_input_tokens=4, cost_micros=2_500_000, currency_code="USD")
    agent_metrics.model_answered("openai:x", usage, 0.5, None)
    agent_metrics.model_answered("openai:x", usage, 0.5, None)
    assert value(metrics, "meshwright_model_cost_total", model="openai:x", currency="USD") == 5
    assert value(metrics, "meshwright_model_tokens_total", model="openai:x", kind="cached_input") == 8
    assert value(metrics, "meshwright_model_steps_total") == 2


def test_models_without_end_share_a_label(metrics: Metrics) -> None:
    for number in range(3 * MAX_MODELS):
        agent_metrics.model_answered(f"openai:{number}", Usage(), 0.1, None)
        agent_metrics.model_answered(f"openai:silent-{number}", Usage(), None, LOST)
    [family] = metrics.registry.restricted_registry(["meshwright_model_requests_total"]).collect()
    assert len({sample.labels["model"] for sample in family.samples}) == MAX_MODELS + 1
    assert value(metrics, "meshwright_model_requests_total", model="other", outcome="ok") == 2 * MAX_MODELS
    assert value(metrics, "meshwright_model_requests_total", model="other", outcome="run_claim_lost") == 3 * MAX_MODELS


async def test_hooks_do_nothing_while_nobody_asks() -> None:
    agent_metrics.open(None, lambda: 0, lambda: 0)
    appending: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    assert agent_metrics.timed(appending) is appending
    agent_metrics.claim_lost()
    agent_metrics.watch_failed(TOO_SLOW)
    agent_metrics.approval_awaited(1)
    agent_metrics.model_answered("openai:x", Usage(), 0.1, None)
    assert not agent_metrics.due()
