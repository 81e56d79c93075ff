"""The frames on their way to one client: bounded, in order, with a heartbeat when there are none."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from meshwright.serving.errors import MeshError
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.browser_service_pb2 import DriveResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HEARTBEAT_SECONDS = 15.0
MAX_BYTES = 32 * 1024 * 1024
MAX_EVENTS = 512
"""Events that wait, at most. The newest are left out beyond it: a page can make any number of them."""


class Outbox:
    """Frames are put in without waiting and iterated over by the stream's handler."""

    def __init__(self) -> None:
        self._frames: deque[tuple[DriveResponse, int]] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._finished = False
        self._error: MeshError | None = None

    def put(self, frame: DriveResponse) -> None:
        """Add a frame. A client that is too far behind is cut off."""
        if self._finished:
            return
        size = frame.ByteSize()
        if self._frames and self._bytes + size > MAX_BYTES:
            self._frames.clear()
            self.finish(MeshError(reasons.ERROR_REASON_READER_TOO_SLOW, "The stream was read too slowly."))
            return
        self._frames.append((frame, size))
        self._bytes += size
        self._wake.set()

    def put_event(self, frame: DriveResponse) -> None:
        """Add a frame that may be left out."""
        if len(self._frames) < MAX_EVENTS:
            self.put(frame)

    def finish(self, error: MeshError | None = None) -> None:
        """End the stream after the frames that are there, with the error if there is one."""
        if not self._finished:
            self._finished, self._error = True, error
            self._wake.set()

    async def frames(self) -> AsyncIterator[DriveResponse]:
        """The frames until the end. Raises the error of `finish`."""
        while True:
            while self._frames:
                frame, size = self._frames.popleft()
                self._bytes -= size
                yield frame
            if self._finished:
                if self._error is not None:
                    raise self._error
                return
            self._wake.clear()
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                yield _heartbeat()


def _heartbeat() -> DriveResponse:
    frame = DriveResponse()
    frame.heartbeat.time.GetCurrentTime()
    return frame
