"""How a run ends, and the one append that ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

import structlog

from meshwright.agent.compose import current_time
from meshwright.serving.errors import MeshError
from meshwright.store.refusals import InputsWaitingError
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.event_pb2 import RunFinished
from meshwright.v1.run_pb2 import Run, RunOptions, RunOutcome, RunState, Usage

if TYPE_CHECKING:
    from meshwright.agent.inputs import Inputs
    from meshwright.agent.run_log import RunLog
    from meshwright.store.interface import Draft

log = structlog.get_logger(__name__)


class Ending(NamedTuple):
    """How a run ends, and what else belongs to its last breath."""

    outcome: RunOutcome.ValueType
    error: MeshError | None = None
    answer: str = ""
    drafts: tuple[Draft, ...] = ()


async def complete(run_log: RunLog, inputs: Inputs, ending: Ending) -> bool:
    """End the run with its answer, unless inputs have come that the answer does not know."""
    running = Run()
    running.CopyFrom(run_log.run)
    try:
        await _write(run_log, inputs, ending)
    except InputsWaitingError:
        run_log.run.CopyFrom(running)
        return False
    return True


async def finish(run_log: RunLog, inputs: Inputs, ending: Ending) -> None:
    """End the run whatever has come; inputs that it will not apply any more go back to where they came from."""
    while True:
        await inputs.refresh()
        try:
            await _write(run_log, inputs, ending, *inputs.returned(ending.error or _too_late()))
        except InputsWaitingError:
            continue
        return


async def _write(run_log: RunLog, inputs: Inputs, ending: Ending, *before: Draft) -> None:
    """One append: what belongs to the last step, then the run's one terminal event. InputsWaitingError."""
    run = run_log.run
    browser = run_log.browser_usage()
    run.state = RunState.RUN_STATE_FINISHED
    run.outcome = ending.outcome
    run.answer = ending.answer
    run.finish_time.CopyFrom(current_time())
    finished = RunFinished(outcome=ending.outcome, answer=ending.answer, usage=run.usage)
    finished.duration.FromNanoseconds(run.finish_time.ToNanoseconds() - run.start_time.ToNanoseconds())
    if ending.error is not None:
        run.error.CopyFrom(ending.error.to_status())
        finished.error.CopyFrom(run.error)
    end = run_log.draft(run_finished=finished)
    await run_log.append(*ending.drafts, *before, *browser, end, save_run=True, inputs_seen=inputs.seen)


def out_of_steps(max_steps: int) -> MeshError:
    """STEP_LIMIT_REACHED."""
    return MeshError(
        reasons.ERROR_REASON_STEP_LIMIT_REACHED,
        f"The run used up its {max_steps} model steps without an answer.",
        metadata={"max_steps": max_steps},
    )


def out_of_time(run: Run) -> MeshError:
    """RUN_EXPIRED."""
    limit = run.spec.options.timeout
    return MeshError(
        reasons.ERROR_REASON_RUN_EXPIRED,
        f"The run's time of {limit.ToTimedelta().total_seconds():g} s is over.",
        metadata={"timeout_ms": limit.ToMilliseconds()},
    )


def overspent(options: RunOptions, used: Usage) -> MeshError | None:
    """BUDGET_EXHAUSTED where a run has used up its tokens or money."""
    for budget, limit, spent in (
        ("max_tokens", options.max_tokens, used.input_tokens + used.output_tokens),
        ("max_cost_micros", options.max_cost_micros, used.cost_micros),
    ):
        if limit and spent >= limit:
            return MeshError(
                reasons.ERROR_REASON_BUDGET_EXHAUSTED,
                f"The run used up its {budget} of {limit}.",
                metadata={"budget": budget, "limit": limit},
            )
    return None


def is_the_stores(error: BaseException) -> bool:
    """The run is another's, or the store is out of reach: no failure of the run, which goes on where the store can be reached."""
    if not isinstance(error, MeshError):
        return False
    lost = error.reason == reasons.ERROR_REASON_RUN_CLAIM_LOST
    return lost or (error.reason == reasons.ERROR_REASON_UNAVAILABLE and error.metadata.get("service") == "store")


def defect(run: Run, error: BaseException) -> MeshError:
    """INTERNAL, with the error's text in the log only."""
    error_id = uuid4().hex[:16]
    log.error("run.defect", run_id=run.run_id, error_id=error_id, exc_info=error)
    return MeshError(
        reasons.ERROR_REASON_INTERNAL,
        "The agent failed; the error id finds the cause in its log.",
        metadata={"error_id": error_id},
    )


def _too_late() -> MeshError:
    return MeshError(reasons.ERROR_REASON_RUN_FINISHED, "The run ended before the input could be applied.")
