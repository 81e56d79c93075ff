"""Watching a session: WatchSession as a stream of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshwright.client.affinity import session_metadata
from meshwright.client.family import in_stream_of
from meshwright.client.feed import Feed
from meshwright.client.streams import EventStream
from meshwright.v1.agent_service_pb2 import WatchSessionRequest
from meshwright.v1.event_pb2 import EventFilter, EventKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from meshwright.client.connection import Connection, Metadata
    from meshwright.client.events import Event
    from meshwright.client.feed import Call


class WatchStream(EventStream):
    """The events of a session after a cursor: to the end of a run, to the end of the log, or for ever."""

    def __init__(
        self,
        connection: Connection,
        session_id: str,
        *,
        after: int,
        wanted: EventFilter,
        until_run_id: str = "",
        follow: bool = True,
        of_run_id: str = "",
    ) -> None:
        """With `of_run_id` the events of other runs, which the filter must let through for sub-agents only, come wrapped."""
        super().__init__()
        self._of_run_id = of_run_id
        self._cursor = after
        self._follow = follow

        async def open_call(cursor: int, metadata: Metadata) -> Call:
            request = WatchSessionRequest(
                session_id=session_id, after_sequence=cursor, filter=wanted, until_run_id=until_run_id
            )
            return connection.stub.WatchSession(request, metadata=metadata + session_metadata(session_id))

        self._feed = Feed(connection, open_call, cursor=after, gapless=wanted == EventFilter(), ends=bool(until_run_id))

    async def _pull(self) -> None:
        assert self._feed is not None
        frame = await self._feed.read()
        if frame is None or (not self._follow and frame.HasField("caught_up")):
            self._ended = True
            self._feed.close()
        else:
            self._ready.extend(self._placed(self._decode(frame)))

    def _placed(self, events: list[Event]) -> list[Event]:
        return [in_stream_of(self._of_run_id, event) for event in events] if self._of_run_id else events


def event_filter(
    kinds: Iterable[type[Event]] = (), exclude: Iterable[type[Event]] = (), run_ids: Iterable[str] = ()
) -> EventFilter:
    """The filter for classes of events. Raises ValueError for a class that stands for no kind of its own."""
    return EventFilter(kinds=map(_number, kinds), excluded_kinds=map(_number, exclude), run_ids=run_ids)


def _number(cls: type[Event]) -> EventKind.ValueType:
    name = "".join(f"_{c}" if c.isupper() else c.upper() for c in cls.__name__)
    if f"EVENT_KIND{name}" not in EventKind.keys():  # noqa: SIM118  # no mapping
        raise ValueError(f"{cls.__name__} is not a kind of event that can be chosen")
    return EventKind.Value(f"EVENT_KIND{name}")
