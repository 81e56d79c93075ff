"""The tool calls of one step: all at once, each journaled before it begins and before its result is used."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from google.protobuf.struct_pb2 import Struct

from meshwright.agent.prompt import tool_turn
from meshwright.serving.errors import MeshError
from meshwright.serving.telemetry import span
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.event_pb2 import ArtifactAdded, ToolCallFinished, ToolCallProgress, ToolCallStarted
from meshwright.v1.tool_pb2 import ToolCall, ToolCompletion, ToolOutcome, ToolProgress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from meshwright.agent.run_log import RunLog
    from meshwright.agent.tool_stream import ToolStream
    from meshwright.agent.toolbox import Toolbox
    from meshwright.models.interface import ToolCall as Asked
    from meshwright.models.interface import ToolTurn
    from meshwright.store.interface import Draft
    from meshwright.v1.tool_pb2 import Tool

CANCEL_SECONDS = 2.0
OVERTIME_SECONDS = 15.0
LONGEST_SECONDS = 3600.0


class Actions:
    """The calls of one step. First append `started`, then `run`."""

    def __init__(
        self, log: RunLog, toolbox: Toolbox, tools: Mapping[str, Tool], asked: Sequence[Asked], step: int
    ) -> None:
        self._log = log
        self._toolbox = toolbox
        self._tools = tools
        self._asked = asked
        self._step = step
        self._closed: set[str] = set()
        self._stream: ToolStream | None = None

    def started(self) -> list[Draft]:
        """The intent of every call as an event."""
        return [self._log.draft(tool_call_started=self._intent(asked)) for asked in self._asked]

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

    def _intent(self, asked: Asked) -> ToolCallStarted:
        tool = self._tools.get(asked.tool)
        return ToolCallStarted(
            call_id=asked.call_id,
            tool=asked.tool,
            arguments=_struct(asked),
            step=self._step,
            annotations=tool.annotations if tool is not None else None,
            attempt=1,
        )

    async def _run_one(self, asked: Asked) -> ToolTurn:
        with span("tool.call", tool=asked.tool, call_id=asked.call_id):
            completion = await self._completion(asked)
        await asyncio.shield(self._close(asked, completion))
        return tool_turn(asked.call_id, asked.tool, completion)

    async def _completion(self, asked: Asked) -> ToolCompletion:
        tool = self._tools.get(asked.tool)
        if tool is None:
            return _failed(_no_such_tool(asked))
        if asked.arguments_error is not None:
            return _failed(_bad_arguments(asked))
        limit = tool.annotations.max_timeout.ToTimedelta().total_seconds() or LONGEST_SECONDS
        call = ToolCall(call_id=asked.call_id, tool=asked.tool, arguments=_struct(asked))
        try:
            async with asyncio.timeout(limit + OVERTIME_SECONDS):
                self._stream = await self._toolbox.stream(self._log.run.session_id)
                return await self._stream.run(call, lambda news: self._progress(asked.call_id, news))
        except MeshError as error:
            return _failed(error)
        except TimeoutError:
            return _failed(_overdue(asked))

    def _progress(self, call_id: str, news: ToolProgress) -> None:
        self._log.note(self._log.draft(tool_call_progress=ToolCallProgress(call_id=call_id, progress=news)))

    async def _close(self, asked: Asked, completion: ToolCompletion) -> None:
        self._closed.add(asked.call_id)
        drafts = [
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
            try:
                await self._close(asked, ends.get(asked.call_id, cancelled))
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


def _cancelled() -> MeshError:
    return MeshError(reasons.ERROR_REASON_TOOL_CANCELLED, "The call was cancelled.")
