"""What is seen of a run from outside: spans of the run itself, of the requests to its model and of its tool calls, and its metrics."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from meshwright.agent.metrics import agent_metrics
from meshwright.agent.tracks import track_of
from meshwright.serving.errors import MeshError
from meshwright.serving.telemetry import Step, outgoing_span, span
from meshwright.v1.run_pb2 import RunOutcome
from meshwright.v1.tool_pb2 import ToolOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from opentelemetry.util.types import AttributeValue

    from meshwright.models.interface import Finished, Model
    from meshwright.v1.run_pb2 import FlagDecision, Run, Usage
    from meshwright.v1.tool_pb2 import ToolCompletion

PROVIDERS = {"bedrock": "aws.bedrock", "google": "gcp.gemini", "mistral": "mistral_ai", "xai": "x_ai"}
"""Providers whose names in OpenTelemetry's conventions for generative AI differ from ours."""
FAILED = (RunOutcome.RUN_OUTCOME_FAILED, RunOutcome.RUN_OUTCOME_EXPIRED)


@contextmanager
def run_span(run: Run) -> Iterator[None]:
    """The work of one worker on a run, in the trace of the call that started the run."""
    with span("run", run_id=run.run_id, session_id=run.session_id, attempt=run.attempt, track=track_of(run)) as step:
        for flag in run.flags:
            step.event("feature_flag.evaluation", flag_attributes(flag, run.session_id))
        agent_metrics.run_begun(run)
        try:
            yield
        finally:
            agent_metrics.run_left(run)
        if run.finish_sequence:
            step.set({"outcome": outcome_name(run)})
            if run.outcome in FAILED:
                step.fail(MeshError.from_status(run.error).reason_name)


def flag_attributes(flag: FlagDecision, session_id: str) -> dict[str, AttributeValue]:
    """What a feature flag said, in OpenTelemetry's words."""
    return {
        "feature_flag.key": flag.key,
        "feature_flag.provider.name": "flagd",
        "feature_flag.result.variant": flag.variant,
        "feature_flag.context.id": session_id,
    }


def outcome_name(run: Run) -> str:
    """How a run ended, as `completed`."""
    return RunOutcome.Name(run.outcome).removeprefix("RUN_OUTCOME_").lower()


def request_span(model: Model) -> AbstractContextManager[Step]:
    """The request of one model step. The offline planner is asked no request."""
    if model.offline:
        return nullcontext(Step())
    provider, _, name = model.name.partition(":")
    attributes: dict[str, AttributeValue] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": PROVIDERS.get(provider, provider),
        "gen_ai.request.model": name,
        "gen_ai.request.stream": True,
    }
    return outgoing_span("model.request", attributes)


def note_answer(step: Step, usage: Usage, finished: Finished | None, first_token: float | None) -> None:
    """Add to a request's span what is known of its answer."""
    if first_token is not None:
        step.set({"gen_ai.response.time_to_first_chunk": first_token})
    if usage.input_tokens or usage.output_tokens:
        step.set(
            {
                "gen_ai.usage.input_tokens": usage.input_tokens,
                "gen_ai.usage.output_tokens": usage.output_tokens,
                "gen_ai.usage.cache_read.input_tokens": usage.cached_input_tokens,
            }
        )
    if finished is not None:
        step.set({"gen_ai.response.finish_reasons": [finished.reason]})


def note_completion(step: Step, completion: ToolCompletion) -> None:
    """Add to a call's span how the call ended."""
    outcome = ToolOutcome.Name(completion.outcome).removeprefix("TOOL_OUTCOME_").lower()
    step.set({"outcome": outcome})
    if completion.outcome not in (ToolOutcome.TOOL_OUTCOME_SUCCEEDED, ToolOutcome.TOOL_OUTCOME_CANCELLED):
        step.fail(MeshError.from_status(completion.error).reason_name)
