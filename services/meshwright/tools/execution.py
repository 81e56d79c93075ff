"""One Execute stream: commands in, frames out, any number of calls between them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from meshwright.serving.errors import MeshError, Quota
from meshwright.tools.call import RunningCall, failed
from meshwright.tools.frames import Frame, call_finished, call_progress, call_started, going_away, heartbeat, started
from meshwright.v1 import error_reason_pb2 as reasons

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from meshwright.tools.session import ToolSession
    from meshwright.v1.tool_pb2 import ToolCall
    from meshwright.v1.tool_service_pb2 import ExecuteRequest

HEARTBEAT_SECONDS = 15.0
OUTGOING_FRAMES = 64
"""Frames that wait for the reader at most. Beyond it calls wait with their news, and so in the end do new calls."""

LAST_MOMENT_SECONDS = 0.25
"""A stream that is still open so long before the server's grace ends is ended with a reason, before it is cut without one."""
SERVICE = "meshwright.v1.ToolService"


class _End:
    """The mark behind a stream's last frame, with what went wrong if anything did."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error


class Execution:
    """The calls of one stream and the frames that they give; exactly one completion for each call.

    Frames wait in a bounded queue; whoever has one more waits for the reader.
    """

    def __init__(self, max_calls: int) -> None:
        self._max_calls = max_calls
        self._calls: dict[str, RunningCall] = {}
        self._completing: set[asyncio.Task[None]] = set()
        self._frames: asyncio.Queue[Frame | _End] = asyncio.Queue(OUTGOING_FRAMES)
        self._leaving: asyncio.Task[None] | None = None
        self._abandoned = False

    async def serve(self, session: ToolSession, commands: AsyncIterator[ExecuteRequest]) -> AsyncGenerator[Frame, None]:
        """Frames until `close`. Raises STREAM_PROTOCOL for commands out of order, and for an end without `close`."""
        reading = asyncio.create_task(self._read(session, commands))
        try:
            yield started()
            while True:
                frame = await self._next()
                if isinstance(frame, Frame):
                    yield frame
                elif frame.error is None:
                    return
                else:
                    raise frame.error
        finally:
            self._abandoned = True
            tasks = [reading, *self._completing]
            if self._leaving is not None:
                tasks.append(self._leaving)
            for task in tasks:
                task.cancel()
            stopping = [call.stop() for call in self._calls.values()]
            await asyncio.gather(*tasks, *stopping, return_exceptions=True)

    async def send(self, frame: Frame) -> None:
        """Puts a frame into the stream; waits while the reader is behind. Once the reader is gone it does nothing."""
        if not self._abandoned:
            await self._frames.put(frame)

    def go_away(self, grace: float) -> None:
        """Tells the client to come back elsewhere within `grace` seconds, and takes no new calls."""
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._leave(grace))

    async def _leave(self, grace: float) -> None:
        await self.send(going_away(grace))
        await asyncio.sleep(grace - LAST_MOMENT_SECONDS)
        await self._frames.put(_End(_shutting_down()))

    async def _next(self) -> Frame | _End:
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                return await self._frames.get()
        except TimeoutError:
            return heartbeat()

    async def _read(self, session: ToolSession, commands: AsyncIterator[ExecuteRequest]) -> None:
        error: Exception | None = None
        try:
            await self._obey(session, commands)
        except Exception as raised:  # noqa: BLE001 (it is raised again behind the frames that came before it)
            error = raised
        await self._frames.put(_End(error))

    async def _obey(self, session: ToolSession, commands: AsyncIterator[ExecuteRequest]) -> None:
        async for request in commands:
            match request.WhichOneof("command"):
                case "call":
                    await self._call(session, request.call)
                case "cancel":
                    if call := self._calls.get(request.cancel.call_id):
                        call.cancel()
                case "close":
                    await self._finish(session)
                    return
                case _:
                    raise stream_protocol("call, cancel or close")
        raise stream_protocol("close")

    async def _call(self, session: ToolSession, call: ToolCall) -> None:
        refusal = self._refusal(call.call_id)
        if refusal is not None:
            await self.send(call_finished(call.call_id, failed(refusal)))
            return
        running = self._calls[call.call_id] = RunningCall(
            session,
            call,
            started=lambda: self.send(call_started(call.call_id)),
            report=lambda progress: self.send(call_progress(call.call_id, progress)),
        )
        task = asyncio.create_task(self._complete(running))
        self._completing.add(task)
        task.add_done_callback(self._completing.discard)

    async def _complete(self, call: RunningCall) -> None:
        try:
            completion = await call.completion()
        finally:
            del self._calls[call.call_id]
        await self.send(call_finished(call.call_id, completion))

    async def _finish(self, session: ToolSession) -> None:
        for call in self._calls.values():
            call.cancel()
        await asyncio.gather(*self._completing)
        await session.close(save=True)

    def _refusal(self, call_id: str) -> MeshError | None:
        if call_id in self._calls:
            return MeshError(
                reasons.ERROR_REASON_CALL_ID_IN_USE,
                f"A call {call_id} still runs on this stream.",
                metadata={"call_id": call_id},
            )
        if self._leaving is not None:
            return _shutting_down()
        if len(self._calls) >= self._max_calls:
            return MeshError(
                reasons.ERROR_REASON_QUOTA_EXCEEDED,
                f"At most {self._max_calls} calls may wait and run on one stream.",
                quota=Quota("calls_of_a_stream", self._max_calls, ""),
            )
        return None


def _shutting_down() -> MeshError:
    return MeshError(reasons.ERROR_REASON_UNAVAILABLE, "The server is shutting down.", metadata={"service": SERVICE})


def stream_protocol(expected: str) -> MeshError:
    """STREAM_PROTOCOL: another command was due."""
    return MeshError(
        reasons.ERROR_REASON_STREAM_PROTOCOL,
        f"The next command of this stream should have been {expected}.",
        metadata={"expected": expected},
    )
