"""Streams of typed events."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Self

from meshwright.client import decoding

if TYPE_CHECKING:
    from types import TracebackType

    from meshwright.client.events import Event
    from meshwright.client.feed import Feed, Frame


class EventStream(ABC):
    """An asynchronous iterator of events, each exactly once and in order, whatever happens to the connection.

    It reconnects by itself. Leaving the loop early leaves the stream; `async with` does so at once.
    """

    def __init__(self) -> None:
        self._ready: deque[Event] = deque()
        self._reading = asyncio.Lock()
        self._ended = False
        self._cursor = 0
        self._feed: Feed | None = None

    @property
    def cursor(self) -> int:
        """Sequence of the last event that was given out: where to go on later."""
        return self._cursor

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        if not self._ready:
            await self._fill()
        if not self._ready:
            raise StopAsyncIteration
        event = self._ready.popleft()
        self._cursor = max(self._cursor, event.sequence)
        return event

    async def batch(self) -> list[Event]:
        """The events that are there, at least one: what saves work where many come at once. Empty at the end."""
        if not self._ready:
            await self._fill()
        events = list(self._ready)
        self._ready.clear()
        if events:
            self._cursor = max(self._cursor, events[-1].sequence)
        return events

    async def aclose(self) -> None:
        """Leave the stream. What it watched goes on."""
        self.close()

    def close(self) -> None:
        """As `aclose`, for where nothing can be awaited; only in the thread of the event loop."""
        self._ended = True
        self._ready.clear()
        if self._feed is not None:
            self._feed.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _fill(self) -> None:
        async with self._reading:
            while not self._ready and not self._ended:
                await self._pull()

    @abstractmethod
    async def _pull(self) -> None:
        """Read one frame: put its events into `_ready`, or set `_ended`."""

    def _decode(self, frame: Frame) -> list[Event]:
        """The events of a frame; a Gap for a frame that says that there are none any more."""
        if frame.HasField("gap"):
            return [decoding.gap(frame.gap.snapshot.session.session_id, frame.gap)]
        return [decoding.decode(event) for event in frame.events]
