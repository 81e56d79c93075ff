"""A stream of events that comes back by its cursor whenever it breaks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import grpc

from meshwright.client.backoff import Backoff
from meshwright.client.errors import InternalError, MeshError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from meshwright.client.connection import Connection, Metadata
    from meshwright.v1 import agent_service_pb2 as pb

SILENCE_SECONDS = 45.0
"""The mesh sends a heartbeat every 15 s of silence: three missing ones are a dead connection."""
PATIENCE_SECONDS = 60.0
"""How long a mesh that went away in the middle may stay away."""
# Errors that the transport or a proxy makes; the mesh's own always have a reason.
BROKEN = frozenset(
    {
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
    }
)


class Call(Protocol):
    """What a feed needs of a gRPC stream."""

    async def read(self) -> Any:
        """The next frame, or EOF."""

    def cancel(self) -> bool:
        """End it."""


Frame: TypeAlias = "pb.ConverseResponse | pb.WatchSessionResponse"
"""The two have the same fields but for receipts."""


class Feed:
    """Frames of WatchSession or Converse, each event exactly once and in order.

    `open_call` starts the stream after a cursor, with metadata; its call must not refer back to the feed's owner, so that a feed which is
    dropped ends its stream. `gapless` says that no filter makes holes. `ends` says that the mesh may
    end the stream in good order; otherwise such an end is a break like any other.
    """

    def __init__(
        self,
        connection: Connection,
        open_call: Callable[[int, Metadata], Awaitable[Call]],
        *,
        cursor: int,
        gapless: bool,
        ends: bool,
    ) -> None:
        self.cursor = cursor
        """Every event up to here was received, or does not match the filter."""
        self._connection = connection
        self._open_call = open_call
        self._gapless = gapless
        self._ends = ends
        self._call: Call | None = None
        self._told_to_go = False
        self._backoff = Backoff()
        self._showing = connection.showing()
        self._broken_at: float | None = None
        self._hole_at: int | None = None

    async def read(self) -> Frame | None:
        """The next frame; None when the mesh has ended the stream in good order. Raises MeshError.

        Frames of events hold only those that were not seen before. Cancelling the call loses nothing: the next one goes
        on from the cursor.
        """
        while True:
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    frame = await (await self._opened()).read()
            except TimeoutError:
                await self._broke(Unavailable(f"The mesh at {self._connection.target.name} fell silent."))
            except grpc.aio.AioRpcError as failure:
                await self._broke(self._connection.failed(failure), failure)
            except asyncio.CancelledError:
                self._drop()
                self._connection.check_open()
                raise
            else:
                self._connection.reached()
                if frame is grpc.aio.EOF:
                    if self._ends and not self._told_to_go:
                        return None
                    await self._ended()
                elif self._accept(frame):
                    return frame  # type: ignore[no-any-return]  # Call.read gives more than frames
                else:
                    self._lost()

    def close(self) -> None:
        """Leave the stream at once."""
        self._drop()

    async def _opened(self) -> Call:
        if self._call is None:
            self._call = await self._open_call(self.cursor, await self._connection.metadata(self._showing))
            self._told_to_go = False
        return self._call

    def _accept(self, frame: Any) -> bool:
        """Take notice of a frame. False when events are missing before it."""
        control = frame.WhichOneof("control")
        if control is None:
            return self._accept_events(frame)
        if control in ("heartbeat", "caught_up"):
            self._progressed()
            cursor = getattr(frame, control).cursor
            if self._gapless and cursor > self.cursor:
                return False
            self.cursor = max(self.cursor, cursor)
        elif control == "gap":
            self._progressed()
            self.cursor = max(self.cursor, frame.gap.first_available_sequence - 1)
        elif control == "going_away":
            self._told_to_go = True
        return True

    def _accept_events(self, frame: Any) -> bool:
        events = frame.events
        if events and events[0].sequence <= self.cursor:
            new = [event for event in events if event.sequence > self.cursor]
            del events[:]
            events.extend(new)
        if not events:
            return True
        if self._gapless and not self._is_gapless(events):
            return False
        self.cursor = events[-1].sequence
        self._hole_at = None
        self._progressed()
        return True

    def _is_gapless(self, events: Any) -> bool:
        return bool(events[0].sequence == self.cursor + 1 and events[-1].sequence == self.cursor + len(events))

    def _lost(self) -> None:
        """Events are missing: ask for them anew, once."""
        self._drop()
        if self._hole_at == self.cursor:
            raise InternalError(f"The mesh left out events after sequence {self.cursor}.")
        self._hole_at = self.cursor

    async def _ended(self) -> None:
        """The stream ended in good order although more is to come: the mesh asked for it, or it restarts."""
        if self._told_to_go:
            self._call = None
            return
        await self._broke(Unavailable(f"The mesh at {self._connection.target.name} ended the stream."))

    async def _broke(self, error: MeshError, cause: BaseException | None = None) -> None:
        """Wait a moment before the stream is opened anew, or raise the error where that is of no use."""
        self._drop()
        if self._showing.has_more(error):
            return
        if not self._worth_reopening(error):
            raise error from cause
        now = asyncio.get_running_loop().time()
        if self._broken_at is None:
            self._broken_at = now
        wait = self._backoff.next(error.retry_after)
        if now + wait - self._broken_at > PATIENCE_SECONDS:
            raise error from cause
        await asyncio.sleep(wait)

    def _worth_reopening(self, error: MeshError) -> bool:
        if isinstance(error, Unavailable):
            return self._connection.worth_retrying(error)
        return error.reason == "READER_TOO_SLOW" or (not error.reason and error.code in BROKEN)

    def _progressed(self) -> None:
        self._broken_at = None
        self._backoff.reset()
        self._showing.worked()

    def _drop(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
