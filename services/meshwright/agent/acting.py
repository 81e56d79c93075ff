"""The tool calls of one step: all at once, each journaled before it begins and before its result is used."""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, NamedTuple

from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from meshwright.agent.call_ends import bad_arguments, cancelled, denied, failed, no_such_tool, overdue
from meshwright.agent.delegate_tool import DELEGATE
from meshwright.agent.ending import is_the_stores
from meshwright.agent.metrics import agent_metrics
from meshwright.agent.observing import note_completion
from meshwright.agent.prompt import tool_turn
from meshwright.agent.tool_stream import OPEN_SECONDS
from meshwright.models.interface import ToolCall as Asked
from meshwright.serving.calls import current_traceparent
from meshwright.serving.errors import MeshError
from meshwright.serving.telemetry import span
from meshwright.v1.event_pb2 import (
    Approval,
    ApprovalState,
    ArtifactAdded,
    ToolCallFinished,
    ToolCallProgress,
    ToolCallStarted,
)
from meshwright.v1.tool_pb2 import ToolCall, ToolCompletion, ToolOutcome, ToolProgress

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping, Sequence

    from meshwright.agent.approving import Approvals
    from meshwright.agent.delegating import Delegations
    from meshwright.agent.run_log import RunLog
    from meshwright.agent.tool_stream import ToolStream
    from meshwright.agent.toolbox import Toolbox
    from meshwright.models.interface import ToolTurn
    from meshwright.store.interface import Draft
    from meshwright.v1.tool_pb2 import Tool

CANCEL_SECONDS = 2.0
OVERTIME_SECONDS = 15.0
LONGEST_SECONDS = 3600.0


class Hands(NamedTuple):
    """What a run acts with."""

    log: RunLog
    toolbox: Toolbox
    approvals: Approvals
    delegations: Delegations


class Actions:
    """The calls of one step. First append `opening`, then `run`.

    When a step goes on in another process, `questions` are those that a person was asked before, and `attempts` says of calls that are
    made again which attempt this is.
    """

    def __init__(
        self,
        hands: Hands,
        tools: Mapping[str, Tool],
        asked: Sequence[Asked],
        step: int,
        questions: Iterable[Approval] = (),
        attempts: Mapping[str, int] | None = None,
    ) -> None:
        self._log, self._toolbox, self._approvals, self._delegations = hands
        self._tools = tools
        self._asked = asked
        self._step = step
        self._attempts = attempts or {}
        self._questions = {approval.call.call_id: approval for approval in questions}
        self.asked_a_person = bool(self._questions)
        """A person may have changed what the model asked for."""
        self._closed: set[str] = set()
        self._stream: ToolStream | None = None

    @property
    def waits_for_a_person(self) -> bool:
        """Every call that has not ended waits for an answer, its own or its sub-agent's."""
        open_calls = {asked.call_id for asked in self._asked} - self._closed - self._questions.keys()
        return all(self._delegations.waits_for_a_person(call_id) for call_id in open_calls)

    def opening(self) -> list[Draft]:
        """An event for each call: its intent, or the question to a person where it needs one."""
        drafts = []
        for asked in self._asked:
            tool = self._tools.get(asked.tool)
            if tool is not None and asked.arguments_error is None and self._approvals.policy.needs(tool):
                approval = self._approvals.question(asked.call_id, _struct(asked), tool)
                self._questions[asked.call_id] = approval
                self.asked_a_person = True
                drafts.append(self._approvals.requested(approval))
            else:
                drafts.append(self._started(asked))
        return drafts

    def again(self) -> list[Draft]:
        """The intent of every call that is made again."""
        return [self._started(asked) for asked in self._asked if asked.call_id in self._attempts]

    async def run(self) -> list[ToolTurn]:
        """Run all calls; their results in the order in which they were asked. A cancel closes every call in the log first.

        The result of a sub-agent that goes on elsewhere is not among them.
        """
        calls = [asyncio.create_task(self._run_one(asked)) for asked in self._asked]
        try:
            return [turn for turn in await asyncio.gather(*calls) if turn is not None]
        except BaseException as error:
            if is_the_stores(error):
                # Whoever claims the run next finds its calls open, and goes on with them.
                self._log.goes_on = True
            await _to_the_end(self._give_up(calls))
            raise

    async def _give_up(self, calls: Sequence[asyncio.Task[ToolTurn | None]]) -> None:
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        await self.close_open_calls()

    def _started(self, asked: Asked) -> Draft:
        tool = self._tools.get(asked.tool)
        intent = ToolCallStarted(
            call_id=asked.call_id,
            tool=asked.tool,
            arguments=_struct(asked),
            step=self._step,
            annotations=tool.annotations if tool is not None else None,
            attempt=self._attempts.get(asked.call_id, 1),
        )
        return self._log.draft(tool_call_started=intent)

    async def _run_one(self, asked: Asked) -> ToolTurn | None:
        if (approval := self._questions.get(asked.call_id)) is not None:
            answer = await self._approvals.answer(approval)
            if answer.HasField("edited_arguments"):
                asked = Asked(asked.call_id, asked.tool, MessageToDict(answer.edited_arguments))
            if answer.state != ApprovalState.APPROVAL_STATE_APPROVED:
                refusal = denied(asked, answer)
                await _to_the_end(self._close(asked, refusal))
                return tool_turn(asked.call_id, asked.tool, refusal)
            del self._questions[asked.call_id]
            await _to_the_end(self._log.append(self._started(asked)))
        await self._log.hold()
        with span("tool.call", tool=asked.tool, call_id=asked.call_id) as step:
            completion = await self._completion(asked)
            if completion is None:
                return None
            note_completion(step, completion)
            await _to_the_end(self._close(asked, completion))
        return tool_turn(asked.call_id, asked.tool, completion)

    async def _completion(self, asked: Asked) -> ToolCompletion | None:
        tool = self._tools.get(asked.tool)
        if asked.arguments_error is not None:
            return failed(bad_arguments(asked))
        if self._delegations.has_begun(asked.call_id) or (tool is not None and asked.tool == DELEGATE.name):
            return await self._delegations.run(asked, self._step, tuple(self._tools))
        if tool is None:
            return failed(no_such_tool(asked))
        limit = tool.annotations.max_timeout.ToTimedelta().total_seconds() or LONGEST_SECONDS
        call = ToolCall(
            call_id=asked.call_id, tool=asked.tool, arguments=_struct(asked), traceparent=current_traceparent()
        )
        # News come in the task that reads the stream, which knows nothing of this call.
        context = copy_context()
        try:
            async with asyncio.timeout(OPEN_SECONDS + limit + OVERTIME_SECONDS):
                self._stream = await self._toolbox.stream(self._log.run.session_id, asked.tool)
                return await self._stream.run(call, lambda news: context.run(self._progress, asked.call_id, news))
        except MeshError as error:
            return failed(error)
        except TimeoutError:
            return failed(overdue(asked))

    def _progress(self, call_id: str, news: ToolProgress) -> None:
        self._log.note(self._log.draft(tool_call_progress=ToolCallProgress(call_id=call_id, progress=news)))

    async def _close(self, asked: Asked, completion: ToolCompletion) -> None:
        self._closed.add(asked.call_id)
        agent_metrics.tool_call_ended(asked.tool if asked.tool in self._tools else "", completion)
        # A call that was in question begins and ends in one breath.
        drafts = [self._started(asked)] if asked.call_id in self._questions else []
        drafts += [
            self._log.draft(artifact_added=ArtifactAdded(artifact=artifact, call_id=asked.call_id))
            for artifact in completion.result.artifacts
        ]
        shown = ToolCompletion()
        shown.CopyFrom(completion)
        for artifact in shown.result.artifacts:
            artifact.ClearField("inline_data")
        finished = ToolCallFinished(call_id=asked.call_id, tool=asked.tool, completion=shown)
        used = self._delegations.take_in(asked.call_id)
        await self._log.append(*drafts, self._log.draft(tool_call_finished=finished), save_run=used)

    async def close_open_calls(self) -> None:
        """Stop what still runs and write down how each call ended."""
        unfinished = [asked for asked in self._asked if asked.call_id not in self._closed]
        ends = await self._stop([asked.call_id for asked in unfinished])
        for asked in unfinished:
            end = ends.get(asked.call_id) or cancelled()
            if self._log.goes_on and end.outcome == ToolOutcome.TOOL_OUTCOME_CANCELLED:
                # The next worker makes the call again, or says that nobody knows whether it took effect.
                continue
            try:
                if (approval := self._questions.get(asked.call_id)) is not None:
                    await self._approvals.settle(approval.approval_id, ApprovalState.APPROVAL_STATE_CANCELLED)
                await self._close(asked, end)
            except MeshError:
                return

    async def _stop(self, call_ids: list[str]) -> dict[str, ToolCompletion]:
        """Stop calls; how those ended of which that is known. Sub-agents of a run that goes on elsewhere go on there too."""
        if self._log.goes_on:
            await self._delegations.drop()
        stopping = [self._delegations.stop(call_ids)] if not self._log.goes_on else []
        if self._stream is not None:
            stopping.append(self._stream.cancel(call_ids, CANCEL_SECONDS))
        return {call_id: end for ends in await asyncio.gather(*stopping) for call_id, end in ends.items()}


async def _to_the_end(work: Coroutine[Any, Any, object]) -> None:
    """Do it even where the caller is cancelled meanwhile, once or twice; the cancel takes effect when it is done.

    How it went is of no interest any more then.
    """
    task = asyncio.create_task(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    task.result()


def _struct(asked: Asked) -> Struct:
    arguments = Struct()
    arguments.update(asked.arguments)
    return arguments
