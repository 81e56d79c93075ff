"""One call, from its arrival to its completion."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from meshwright.serving.calls import resumed
from meshwright.serving.errors import MeshError
from meshwright.serving.failures import as_mesh_error
from meshwright.serving.telemetry import span
from meshwright.tools.arguments import decode
from meshwright.tools.context import CallContext
from meshwright.tools.failure import CallExpiredError, ShownError
from meshwright.tools.metrics import tool_metrics
from meshwright.tools.output import to_result
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1 import tool_pb2

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from meshwright.tools.order import Ticket
    from meshwright.tools.session import ToolSession
    from meshwright.tools.tool import Tool


STOP_SECONDS = 5.0
"""How long a call that is cancelled may take to stop."""

log = structlog.get_logger(__name__)


class RunningCall:
    """A call that has arrived. Made without waiting, so that whatever it claims it claims in the order of arrival.

    `started` is awaited when a worker begins it, `report` for each of its news; both may wait for a slow reader.
    """

    def __init__(
        self,
        session: ToolSession,
        call: tool_pb2.ToolCall,
        started: Callable[[], Awaitable[None]],
        report: Callable[[tool_pb2.ToolProgress], Awaitable[None]],
    ) -> None:
        self.call_id = call.call_id
        self.tool = call.tool
        self._session = session
        self._started = started
        self._report = report
        self._began = 0.0
        self._ticket: Ticket | None = None
        self._over = asyncio.Event()
        try:
            tool = session.registry.get(call.tool)
            arguments = decode(tool.name, tool.arguments, call.arguments)
            if tool.claim is not None:
                self._ticket = session.order.take(tool.claim(arguments, session))
        except Exception as error:  # noqa: BLE001 (it becomes the call's completion)
            work = partial(_refuse, error)
        else:
            work = partial(self._run, tool, arguments, tool.timeout(call.timeout.ToMicroseconds() / 1e6))
        self._work = asyncio.create_task(self._traced(work, call.traceparent))
        self._work.add_done_callback(self._ended)

    def cancel(self) -> None:
        """Stops it; it still completes, as cancelled, within STOP_SECONDS even if its tool does not heed."""
        if self._work.cancel():
            asyncio.get_running_loop().call_later(STOP_SECONDS, self._over.set)

    async def stop(self) -> None:
        """Stops it and waits until it has stopped, where nobody waits for its completion any more."""
        self.cancel()
        await self._over.wait()

    async def completion(self) -> tool_pb2.ToolCompletion:
        """How it ended."""
        await self._over.wait()
        completion = self._outcome()
        if self._began:
            completion.duration.FromMicroseconds(round((time.monotonic() - self._began) * 1e6))
        return completion

    def _ended(self, work: asyncio.Task[tool_pb2.ToolResult]) -> None:
        if self._ticket is not None:
            self._ticket.leave()
        self._over.set()
        # Whoever waited for it may be gone, and asyncio complains of errors that nobody looked at.
        if not work.cancelled():
            work.exception()

    async def _traced(
        self, work: Callable[[], Awaitable[tool_pb2.ToolResult]], traceparent: str
    ) -> tool_pb2.ToolResult:
        with resumed(traceparent), span("tool.run", tool=self.tool, call_id=self.call_id) as step:
            try:
                result = await work()
            except (Exception, asyncio.CancelledError) as error:
                step.set({"outcome": _outcome_of(error)})
                raise
            step.set({"outcome": "succeeded"})
            return result

    async def _run(self, tool: Tool, arguments: Any, timeout: float) -> tool_pb2.ToolResult:
        async with AsyncExitStack() as turn:
            begun = turn.enter_context(tool_metrics.call())
            if self._ticket is not None:
                await turn.enter_async_context(self._ticket)
            await turn.enter_async_context(self._session.slots)
            self._began = time.monotonic()
            begun()
            await self._started()
            context = CallContext(self._session, self._report, timeout, self._ticket)
            turn.callback(context.close)
            limit = asyncio.timeout(timeout)
            try:
                async with limit:
                    return to_result(await tool.handler(arguments, context))
            except TimeoutError:
                if limit.expired():
                    raise CallExpiredError(timeout) from None
                raise

    def _outcome(self) -> tool_pb2.ToolCompletion:
        if not self._work.done():
            log.error("a tool does not heed its cancellation", tool=self.tool, call_id=self.call_id)
            return cancelled(self.call_id)
        if self._work.cancelled():
            return cancelled(self.call_id)
        error = self._work.exception()
        if error is None:
            return tool_pb2.ToolCompletion(outcome=tool_pb2.TOOL_OUTCOME_SUCCEEDED, result=self._work.result())
        if isinstance(error, MeshError) and error.reason == reasons.ERROR_REASON_TOOL_FAILED:
            error.metadata.setdefault("tool", self.tool)
        return failed(error)


async def _refuse(error: Exception) -> tool_pb2.ToolResult:
    raise error


def _outcome_of(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    return "expired" if isinstance(error, CallExpiredError) else "failed"


def failed(error: BaseException) -> tool_pb2.ToolCompletion:
    """The completion of a call that raised; what is not a MeshError is logged, and the caller gets only its error id."""
    known = as_mesh_error(error, "ToolService.Execute")
    expired = isinstance(known, CallExpiredError)
    completion = tool_pb2.ToolCompletion(
        outcome=tool_pb2.TOOL_OUTCOME_EXPIRED if expired else tool_pb2.TOOL_OUTCOME_FAILED,
        error=known.to_status(),
    )
    if isinstance(known, ShownError):
        completion.result.CopyFrom(to_result(known.output))
    return completion


def cancelled(call_id: str) -> tool_pb2.ToolCompletion:
    """The completion of a call that was stopped."""
    error = MeshError(reasons.ERROR_REASON_TOOL_CANCELLED, "The call was cancelled.", metadata={"call_id": call_id})
    return tool_pb2.ToolCompletion(outcome=tool_pb2.TOOL_OUTCOME_CANCELLED, error=error.to_status())
