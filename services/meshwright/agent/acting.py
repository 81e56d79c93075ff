"""The tool calls of one step: all at once, each journaled before it begins and before its result is used."""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from typing import TYPE_CHECKING

from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from meshwright.agent.metrics import agent_metrics
from meshwright.agent.observing import note_completion
from meshwright.agent.prompt import tool_turn
from meshwright.models.interface import ToolCall as Asked
from meshwright.serving.calls import current_traceparent
from meshwright.serving.errors import MeshError
from meshwright.serving.telemetry import span
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.event_pb2 import (
    Approval,
    ApprovalResolved,
    ApprovalState,
    ArtifactAdded,
    ToolCallFinished,
    ToolCallProgress,
    ToolCallStarted,
)
from meshwright.v1.tool_pb2 import ToolCall, ToolCompletion, ToolOutcome, ToolProgress

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from meshwright.agent.approving import Approvals
    from meshwright.agent.run_log import RunLog
    from meshwright.agent.tool_stream import ToolStream
    from meshwright.agent.toolbox import Toolbox
    from meshwright.models.interface import ToolTurn
    from meshwright.store.interface import Draft
    from meshwright.v1.tool_pb2 import Tool

CANCEL_SECONDS = 2.0
OVERTIME_SECONDS = 15.0
LONGEST_SECONDS = 3600.0


class Actions:
    """The calls of one step. First append `opening`, then `run`.

    When a step goes on in another process, `questions` are those that a person was asked before, and `attempts` says of calls that are
    made again which attempt this is.
    """

    def __init__(
        self,
        log: RunLog,
        toolbox: Toolbox,
        approvals: Approvals,
        tools: Mapping[str, Tool],
        asked: Sequence[Asked],
        step: int,
        questions: Iterable[Approval] = (),
        attempts: Mapping[str, int] | None = None,
    ) -> None:
        self._log = log
        self._toolbox = toolbox
        self._approvals = approvals
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
        """Every call that has not ended waits for an answer."""
        return all(asked.call_id in self._closed or asked.call_id in self._questions for asked in self._asked)

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
        """Run all calls; their results in the order in which they were asked. A cancel closes every call in the log first."""
        calls = [asyncio.create_task(self._run_one(asked)) for asked in self._asked]
        try:
            return await asyncio.gather(*calls)
        except BaseException:
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
            await self._close_open_calls()
            raise

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

    async def _run_one(self, asked: Asked) -> ToolTurn:
        if (approval := self._questions.get(asked.call_id)) is not None:
            answer = await self._approvals.answer(approval)
            if answer.HasField("edited_arguments"):
                asked = Asked(asked.call_id, asked.tool, MessageToDict(answer.edited_arguments))
            if answer.state != ApprovalState.APPROVAL_STATE_APPROVED:
                completion = ToolCompletion(
                    outcome=ToolOutcome.TOOL_OUTCOME_DENIED, error=_denied(asked, answer).to_status()
                )
                await asyncio.shield(self._close(asked, completion))
                return tool_turn(asked.call_id, asked.tool, completion)
            del self._questions[asked.call_id]
            await asyncio.shield(self._log.append(self._started(asked)))
        self._log.check_held()
        with span("tool.call", tool=asked.tool, call_id=asked.call_id) as step:
            completion = await self._completion(asked)
            note_completion(step, completion)
        await asyncio.shield(self._close(asked, completion))
        return tool_turn(asked.call_id, asked.tool, completion)

    async def _completion(self, asked: Asked) -> ToolCompletion:
        tool = self._tools.get(asked.tool)
        if tool is None:
            return _failed(_no_such_tool(asked))
        if asked.arguments_error is not None:
            return _failed(_bad_arguments(asked))
        limit = tool.annotations.max_timeout.ToTimedelta().total_seconds() or LONGEST_SECONDS
        call = ToolCall(
            call_id=asked.call_id, tool=asked.tool, arguments=_struct(asked), traceparent=current_traceparent()
        )
        # News come in the task that reads the stream, which knows nothing of this call.
        context = copy_context()
        try:
            async with asyncio.timeout(limit + OVERTIME_SECONDS):
                self._stream = await self._toolbox.stream(self._log.run.session_id, asked.tool)
                return await self._stream.run(call, lambda news: context.run(self._progress, asked.call_id, news))
        except MeshError as error:
            return _failed(error)
        except TimeoutError:
            return _failed(_overdue(asked))

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
        await self._log.append(*drafts, self._log.draft(tool_call_finished=finished))

    async def _close_open_calls(self) -> None:
        """Stop what still runs and write down how each call ended."""
        unfinished = [asked for asked in self._asked if asked.call_id not in self._closed]
        ends: dict[str, ToolCompletion] = {}
        if self._stream is not None:
            ends = await self._stream.cancel([asked.call_id for asked in unfinished], CANCEL_SECONDS)
        cancelled = ToolCompletion(outcome=ToolOutcome.TOOL_OUTCOME_CANCELLED, error=_cancelled().to_status())
        for asked in unfinished:
            end = ends.get(asked.call_id, cancelled)
            if self._log.goes_on and end.outcome == ToolOutcome.TOOL_OUTCOME_CANCELLED:
                # The next worker makes the call again, or says that nobody knows whether it took effect.
                continue
            try:
                if (approval := self._questions.get(asked.call_id)) is not None:
                    await self._approvals.settle(approval.approval_id, ApprovalState.APPROVAL_STATE_CANCELLED)
                await self._close(asked, end)
            except MeshError:
                return


def _struct(asked: Asked) -> Struct:
    arguments = Struct()
    arguments.update(asked.arguments)
    return arguments


def _failed(error: MeshError) -> ToolCompletion:
    return ToolCompletion(outcome=ToolOutcome.TOOL_OUTCOME_FAILED, error=error.to_status())


def _no_such_tool(asked: Asked) -> MeshError:
    return MeshError(
        reasons.ERROR_REASON_TOOL_NOT_FOUND, "There is no such tool in this run.", metadata={"tool": asked.tool}
    )


def _bad_arguments(asked: Asked) -> MeshError:
    return MeshError(
        reasons.ERROR_REASON_TOOL_ARGUMENTS,
        f"The arguments could not be read: {asked.arguments_error}",
        metadata={"tool": asked.tool},
    )


def _overdue(asked: Asked) -> MeshError:
    return MeshError(
        reasons.ERROR_REASON_UNAVAILABLE,
        "The tool service did not say in time how the call ended.",
        metadata={"tool": asked.tool},
    )


def _denied(asked: Asked, answer: ApprovalResolved) -> MeshError:
    who = (
        "Nobody approved the call in time"
        if answer.state == ApprovalState.APPROVAL_STATE_EXPIRED
        else "A person denied the call"
    )
    message = f"{who}: {answer.comment}" if answer.comment else f"{who}."
    return MeshError(reasons.ERROR_REASON_TOOL_DENIED, message, metadata={"tool": asked.tool})


def _cancelled() -> MeshError:
    return MeshError(reasons.ERROR_REASON_TOOL_CANCELLED, "The call was cancelled.")
