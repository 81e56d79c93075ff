"""The agent's end of one Execute stream: a session's hands."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import grpc

from meshwright.serving.channel import forward
from meshwright.serving.errors import MeshError
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.stream_pb2 import Close
from meshwright.v1.tool_pb2 import ToolCall, ToolCompletion, ToolOutcome, ToolProgress
from meshwright.v1.tool_service_pb2 import (
    BrowserReleased,
    CancelCall,
    ExecuteRequest,
    ExecuteResponse,
    ExecuteStart,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from meshwright.v1.tool_service_pb2_grpc import ToolServiceStub

SERVICE = "meshwright.v1.ToolService"
OPEN_SECONDS = 30.0
"""How long a call waits for a tool service that starts anew: caches of names may keep its former address for as long."""
CLOSE_SECONDS = 5.0


class Pending(NamedTuple):
    """A call that has not ended."""

    completion: asyncio.Future[ToolCompletion]
    on_progress: Callable[[ToolProgress], None]
    began: float


class ToolStream:
    """One open Execute stream. Make it with `open`; when it breaks, every pending call is completed and `broken` is True."""

    def __init__(
        self,
        call: grpc.aio.StreamStreamCall[ExecuteRequest, ExecuteResponse],
        on_browser: Callable[[ExecuteResponse], None],
    ) -> None:
        self._call = call
        self._on_browser = on_browser
        self._pending: dict[str, Pending] = {}
        self._commands = 0
        self._lease_id = ""
        self._writing = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None
        self.broken = False

    @classmethod
    async def open(
        cls,
        stub: ToolServiceStub,
        start: ExecuteStart,
        on_browser: Callable[[ExecuteResponse], None],
    ) -> ToolStream:
        """Open a stream for a session. `on_browser` gets the frames that tell of its browser. UNAVAILABLE."""
        # Nothing was asked of it yet, so waiting for it is safe.
        stream = cls(stub.Execute(**forward(None), wait_for_ready=True), on_browser)
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await stream._send(ExecuteRequest(start=start))
                first = await stream._call.read()
        except grpc.aio.AioRpcError as error:
            raise MeshError.from_rpc_error(error, service=SERVICE) from error
        except (TimeoutError, asyncio.InvalidStateError):
            stream._call.cancel()
            raise _unreachable() from None
        if not isinstance(first, ExecuteResponse) or not first.HasField("started"):
            stream._call.cancel()
            raise _unreachable()
        stream._reading = asyncio.create_task(stream._read())
        return stream

    @property
    def idle(self) -> bool:
        """No call is pending."""
        return not self._pending

    async def run(self, call: ToolCall, on_progress: Callable[[ToolProgress], None]) -> ToolCompletion:
        """Run a call to its end; every failure is a completion. Cancelling the caller leaves the call pending: see `cancel`."""
        completion: asyncio.Future[ToolCompletion] = asyncio.get_running_loop().create_future()
        self._pending[call.call_id] = Pending(completion, on_progress, time.monotonic())
        if self.broken or not await self._try_send(ExecuteRequest(call=call)):
            self._complete(call.call_id, _failed(_unreachable()))
        return await asyncio.shield(completion)

    async def cancel(self, call_ids: list[str], seconds: float) -> dict[str, ToolCompletion]:
        """Cancel calls and wait so long for their ends; the completions of those that ended."""
        waiting = {call_id: self._pending[call_id].completion for call_id in call_ids if call_id in self._pending}
        for call_id in waiting:
            await self._try_send(ExecuteRequest(cancel=CancelCall(call_id=call_id)))
        if waiting:
            await asyncio.wait(waiting.values(), timeout=seconds)
        return {call_id: future.result() for call_id, future in waiting.items() if future.done()}

    async def close(self) -> None:
        """Give everything back and end the stream."""
        if not self.broken:
            await self._try_send(ExecuteRequest(close=Close()))
        if self._reading is not None:
            _, late = await asyncio.wait([self._reading], timeout=CLOSE_SECONDS)
            if late:
                self._call.cancel()
                await asyncio.wait([self._reading])

    async def _send(self, request: ExecuteRequest) -> None:
        async with self._writing:
            self._commands += 1
            request.command_id = f"c{self._commands}"
            await self._call.write(request)

    async def _try_send(self, request: ExecuteRequest) -> bool:
        try:
            await self._send(request)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return False
        return True

    async def _read(self) -> None:
        error = _unreachable()
        try:
            while isinstance(response := await self._call.read(), ExecuteResponse):
                self._take(response)
        except grpc.aio.AioRpcError as failure:
            error = MeshError.from_rpc_error(failure, service=SERVICE)
        finally:
            self.broken = True
            for call_id, pending in tuple(self._pending.items()):
                self._complete(call_id, _unknown(call_id, time.monotonic() - pending.began))
            if self._lease_id:
                released = BrowserReleased(lease_id=self._lease_id, reason=error.to_status())
                self._on_browser(ExecuteResponse(browser_released=released))

    def _take(self, response: ExecuteResponse) -> None:
        frame = response.WhichOneof("frame")
        if frame == "call_finished":
            self._complete(response.call_finished.call_id, response.call_finished.completion)
        elif frame == "call_progress":
            pending = self._pending.get(response.call_progress.call_id)
            if pending is not None:
                pending.on_progress(response.call_progress.progress)
        elif frame in ("browser_leased", "browser_released", "browser_state"):
            if frame != "browser_state":
                self._lease_id = response.browser_leased.lease_id
            self._on_browser(response)
        elif frame == "going_away":
            self.broken = True

    def _complete(self, call_id: str, completion: ToolCompletion) -> None:
        pending = self._pending.pop(call_id, None)
        if pending is not None and not pending.completion.done():
            pending.completion.set_result(completion)


def _unreachable() -> MeshError:
    return MeshError(
        reasons.ERROR_REASON_UNAVAILABLE, "The tool service cannot be reached.", metadata={"service": SERVICE}
    )


def _failed(error: MeshError) -> ToolCompletion:
    return ToolCompletion(outcome=ToolOutcome.TOOL_OUTCOME_FAILED, error=error.to_status())


def _unknown(call_id: str, seconds: float) -> ToolCompletion:
    error = MeshError(
        reasons.ERROR_REASON_TOOL_OUTCOME_UNKNOWN,
        "The tool service went away during the call; whether it took effect is not known.",
        metadata={"call_id": call_id},
    )
    completion = ToolCompletion(outcome=ToolOutcome.TOOL_OUTCOME_UNKNOWN, error=error.to_status())
    completion.duration.FromTimedelta(timedelta(seconds=seconds))
    return completion
