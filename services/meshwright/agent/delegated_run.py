"""The run that a call of `agent.delegate` becomes: what it is asked, and what it may use of what is left to its parent."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from google.protobuf.duration_pb2 import Duration

from meshwright.agent.compose import current_time
from meshwright.agent.delegate_tool import decode, narrowed
from meshwright.agent.ending import out_of_steps
from meshwright.agent.identifiers import new_id
from meshwright.serving.calls import current_traceparent
from meshwright.v1.run_pb2 import Run, RunOptions, RunSpec, RunState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meshwright.agent.family import Member
    from meshwright.models.interface import ToolCall as Asked


def delegated_run(asked: Asked, parent: Member, step: int, names: Sequence[str]) -> Run:
    """A run that is not stored yet, with the tools of these names at most. TOOL_ARGUMENTS, STEP_LIMIT_REACHED, BUDGET_EXHAUSTED."""
    wanted = decode(asked.arguments)
    run = parent.run
    limits = run.spec.options
    steps_left = limits.max_steps - step
    if steps_left < 1:
        raise out_of_steps(limits.max_steps)
    options = RunOptions(
        model=limits.model,
        max_steps=min(wanted.max_steps or steps_left, steps_left),
        timeout=_time_left(run),
        tools=narrowed(wanted.tools, limits.tools, names),
        on_disconnect=limits.on_disconnect,
    )
    _share_budget(options, parent)
    return Run(
        run_id=new_id("run"),
        session_id=run.session_id,
        state=RunState.RUN_STATE_ACTIVE,
        spec=RunSpec(task=wanted.task, options=options),
        create_time=current_time(),
        parent_run_id=run.run_id,
        traceparent=current_traceparent() or run.traceparent,
        flags=run.flags,
        track=run.track,
    )


def _share_budget(options: RunOptions, parent: Member) -> None:
    """What is left of the parent's budgets. Siblings share it: the budgets of all runs above are checked too. BUDGET_EXHAUSTED."""
    if (error := parent.overspent()) is not None:
        raise error
    limits, spent = parent.run.spec.options, parent.spent()
    if limits.max_tokens:
        options.max_tokens = limits.max_tokens - spent.input_tokens - spent.output_tokens
    if limits.max_cost_micros:
        options.max_cost_micros = limits.max_cost_micros - spent.cost_micros


def _time_left(run: Run) -> Duration:
    end = run.start_time.ToNanoseconds() + run.spec.options.timeout.ToNanoseconds()
    left = Duration()
    left.FromNanoseconds(max(1_000_000, end - time.time_ns()))
    return left
