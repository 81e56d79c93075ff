"""Streams of events as ordinary iterators."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from meshwright.client.run_stream import RunStream as AsyncRunStream
from meshwright.client.streams import EventStream as AsyncEventStream
from meshwright.client.sync.background import background

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from types import TracebackType

    from meshwright.client.enums import SteeringMode
    from meshwright.client.events import Event, RunFinished
    from meshwright.client.infos import RunInfo
    from meshwright.client.records import SteeringStatus

S = TypeVar("S", bound=AsyncEventStream)
T = TypeVar("T")


class EventStream(Generic[S]):
    """An iterator of events, each exactly once and in order, whatever happens to the connection.

    Leaving the loop early leaves the stream; `with` does so at once.
    """

    def __init__(self, stream: S) -> None:
        self._stream = stream
        self._ready: deque[Event] = deque()
        self._cursor = stream.cursor

    @property
    def cursor(self) -> int:
        """Sequence of the last event that was given out: where to go on later."""
        return self._cursor

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        if not self._ready:
            self._ready.extend(background.run(self._stream.batch()))
        if not self._ready:
            raise StopIteration
        event = self._ready.popleft()
        self._cursor = max(self._cursor, event.sequence)
        return event

    def close(self) -> None:
        """Leave the stream. What it watched goes on."""
        self._ready.clear()
        background.run(self._stream.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # A stream may only be dropped in the thread of its loop.
        background.post(self._stream.close)


class WatchStream(EventStream[AsyncEventStream]):
    """The events of a session or a run."""


class RunStream(EventStream[AsyncRunStream]):
    """A task and its events, from `RunQueued` to `RunFinished`. The task is given when the first event is asked for.

    What sub-agents of the run do comes as `SubAgentEvent`.
    """

    @property
    def session_id(self) -> str:
        """The session; of a new one empty until the first event."""
        return self._stream.session_id

    @property
    def run_id(self) -> str:
        """The run; empty until the first event."""
        return self._stream.run_id

    def result(self) -> RunFinished:
        """Follow the run to its end. Raises RunFailed, RunCancelled, RunExpired; MeshError when it cannot be followed."""
        return background.run(self._stream.result())

    def steer(self, text: str, *, mode: SteeringMode | None = None) -> SteeringStatus:
        """Give the run an input while it works. Any thread may call it."""
        return background.run(self._stream.steer(text, mode=mode))

    def cancel(self) -> RunInfo:
        """Ask the run to end; its last event then says `cancelled`. Any thread may call it."""
        return background.run(self._stream.cancel())


def iterate(source: AsyncIterator[T]) -> Iterator[T]:
    """An asynchronous iterator, step by step."""
    end = object()

    async def step() -> T | object:
        return await anext(source, end)

    while (value := background.run(step())) is not end:
        yield value  # type: ignore[misc]  # everything but the end is a T
