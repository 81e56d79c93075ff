"""The agent loop of one run, from its claim to its one end."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

import structlog
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict

from meshwright.agent.acting import Actions
from meshwright.agent.compose import current_time
from meshwright.agent.history import load_turns
from meshwright.agent.identifiers import new_id
from meshwright.agent.prompt import fitted, system_prompt
from meshwright.agent.recovery import Journal
from meshwright.agent.run_log import RunLog
from meshwright.agent.thinking import Thought
from meshwright.models.interface import ModelRequest, ToolSchema
from meshwright.serving.calls import Call, enter_call
from meshwright.serving.errors import MeshError
from meshwright.serving.telemetry import span
from meshwright.store.usage import add_usage
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.event_pb2 import Message, Role, RunFinished, RunStarted
from meshwright.v1.run_pb2 import RunOutcome, RunState

if TYPE_CHECKING:
    from meshwright.agent.models import Models
    from meshwright.agent.toolbox import Toolbox
    from meshwright.models.interface import Model, Turn
    from meshwright.store.interface import ClaimedRun, Draft, Store
    from meshwright.v1.tool_pb2 import Tool

ENDING_SECONDS = 10.0
log = structlog.get_logger(__name__)


class Parts(NamedTuple):
    """What every worker works with."""

    store: Store
    models: Models
    toolbox: Toolbox
    demo_url: str
    history_budget: int


class Ending(NamedTuple):
    """How a run ends, and what else belongs to its last breath."""

    outcome: RunOutcome.ValueType
    error: MeshError | None = None
    answer: str = ""
    drafts: tuple[Draft, ...] = ()


class Worker:
    """Works on one claimed run. `work` returns when the run has ended, or when it is another's."""

    def __init__(self, claimed: ClaimedRun, parts: Parts) -> None:
        self.claim = claimed.claim
        self._run = claimed.run
        self._cancelled = claimed.cancelled
        self._parts = parts
        self._log = RunLog(parts.store, claimed.claim, claimed.run, traceparent=claimed.run.traceparent)
        self._loop: asyncio.Task[Ending] | None = None

    def cancel(self) -> None:
        """End the run as cancelled."""
        self._cancelled = True
        if self._loop is not None:
            self._loop.cancel()

    async def work(self) -> None:
        """Do the run. Cancelling this leaves the run as it is, for the next worker."""
        enter_call(Call(method="run", request_id=self._run.run_id, traceparent=self._run.traceparent))
        self._loop = asyncio.create_task(self._traced_steps())
        if self._cancelled:
            self._loop.cancel()
        try:
            ending = await self._ended()
            if ending is not None:
                await self._finish(ending)
        except MeshError as error:
            log.warning("run.left", run_id=self._run.run_id, reason=error.reason_name)
        finally:
            self._loop.cancel()
            await asyncio.wait([self._loop], timeout=ENDING_SECONDS)
            self._parts.toolbox.rest(self._run.session_id)

    async def _ended(self) -> Ending | None:
        """Wait for the loop's end, or for the run's deadline; None when the run is another's."""
        assert self._loop is not None
        left = self._seconds_left()
        done, _ = await asyncio.wait([self._loop], timeout=left)
        if not done:
            self._loop.cancel()
            await asyncio.wait([self._loop], timeout=ENDING_SECONDS)
            return Ending(RunOutcome.RUN_OUTCOME_EXPIRED, self._expired())
        if self._loop.cancelled():
            return Ending(RunOutcome.RUN_OUTCOME_CANCELLED)
        error = self._loop.exception()
        if error is None:
            return self._loop.result()
        if isinstance(error, MeshError):
            lost = error.reason == reasons.ERROR_REASON_RUN_CLAIM_LOST
            return None if lost else Ending(RunOutcome.RUN_OUTCOME_FAILED, error)
        return Ending(RunOutcome.RUN_OUTCOME_FAILED, self._defect(error))

    async def _traced_steps(self) -> Ending:
        with span("run", run_id=self._run.run_id, session_id=self._run.session_id, attempt=self._run.attempt):
            return await self._steps()

    async def _steps(self) -> Ending:
        """The loop itself: think, act, again."""
        model = self._parts.models.get(self._run.spec.options.model)
        first_step = await self._begin(model)
        tools = {tool.name: tool for tool in await self._parts.toolbox.tools(self._run.spec.options.tools)}
        turns = await load_turns(self._parts.store, self._run.session_id)
        max_steps = self._run.spec.options.max_steps
        for step in range(first_step, max_steps + 1):
            thought = Thought(model, self._log, step)
            with span("model.step", step=step, model=model.name):
                await thought.think(self._request(model, turns, tools))
            add_usage(self._run.usage, thought.usage)
            said = (thought.message(), thought.usage_recorded())
            if not thought.calls:
                return Ending(RunOutcome.RUN_OUTCOME_COMPLETED, answer=thought.text, drafts=said)
            if (overspent := self._overspent()) is not None:
                return Ending(RunOutcome.RUN_OUTCOME_FAILED, overspent, drafts=said)
            self._run.usage.tool_calls += len(thought.calls)
            actions = Actions(self._log, self._parts.toolbox, tools, thought.calls, step)
            await self._log.append(*said, *actions.started(), save_run=True)
            turns.append(thought.turn())
            turns.extend(await actions.run())
        raise MeshError(
            reasons.ERROR_REASON_STEP_LIMIT_REACHED,
            f"The run used up its {max_steps} model steps without an answer.",
            metadata={"max_steps": max_steps},
        )

    async def _begin(self, model: Model) -> int:
        """Write that the run begins, or goes on; the number of its next step."""
        started = self._log.draft(run_started=RunStarted(attempt=self._run.attempt, model=model.name))
        task = self._log.draft(message=Message(message_id=new_id("msg"), role=Role.ROLE_USER, text=self._run.spec.task))
        if self._run.attempt == 1:
            await self._log.append(started, task)
            return 1
        journal = await Journal.read(self._parts.store, self._log)
        opening = (started,) if journal.begun else (started, task)
        await self._log.append(*opening, *journal.closings(self._log))
        return journal.steps + 1

    def _request(self, model: Model, turns: list[Turn], tools: dict[str, Tool]) -> ModelRequest:
        schemas = [
            ToolSchema(tool.name, tool.description, MessageToDict(tool.arguments_schema)) for tool in tools.values()
        ]
        shown = turns if model.offline else fitted(turns, self._parts.history_budget)
        return ModelRequest(system_prompt(self._parts.demo_url), list(shown), schemas)

    def _overspent(self) -> MeshError | None:
        options, used = self._run.spec.options, self._run.usage
        tokens = used.input_tokens + used.output_tokens
        for budget, limit, spent in (
            ("max_tokens", options.max_tokens, tokens),
            ("max_cost_micros", options.max_cost_micros, used.cost_micros),
        ):
            if limit and spent >= limit:
                return MeshError(
                    reasons.ERROR_REASON_BUDGET_EXHAUSTED,
                    f"The run used up its {budget} of {limit}.",
                    metadata={"budget": budget, "limit": limit},
                )
        return None

    async def _finish(self, ending: Ending) -> None:
        """Write the run's one terminal event."""
        run = self._run
        run.state = RunState.RUN_STATE_FINISHED
        run.outcome = ending.outcome
        run.answer = ending.answer
        run.finish_time.CopyFrom(current_time())
        finished = RunFinished(outcome=ending.outcome, answer=ending.answer, usage=run.usage)
        finished.duration.FromNanoseconds(run.finish_time.ToNanoseconds() - run.start_time.ToNanoseconds())
        if ending.error is not None:
            run.error.CopyFrom(ending.error.to_status())
            finished.error.CopyFrom(run.error)
        await self._log.append(*ending.drafts, self._log.draft(run_finished=finished), save_run=True)

    def _seconds_left(self) -> float:
        limit = self._run.spec.options.timeout.ToTimedelta().total_seconds()
        return max(0.0, self._run.start_time.ToNanoseconds() / 1e9 + limit - time.time())

    def _expired(self) -> MeshError:
        limit: Duration = self._run.spec.options.timeout
        return MeshError(
            reasons.ERROR_REASON_RUN_EXPIRED,
            f"The run's time of {limit.ToTimedelta().total_seconds():g} s is over.",
            metadata={"timeout_ms": limit.ToMilliseconds()},
        )

    def _defect(self, error: BaseException) -> MeshError:
        error_id = uuid4().hex[:16]
        log.error("run.defect", run_id=self._run.run_id, error_id=error_id, exc_info=error)
        return MeshError(
            reasons.ERROR_REASON_INTERNAL,
            "The agent failed; the error id finds the cause in its log.",
            metadata={"error_id": error_id},
        )
