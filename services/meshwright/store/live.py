"""Live tails: one publisher, any number of subscriptions to a session, at no cost for those that wait."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Sequence

from meshwright.serving.errors import MeshError
from meshwright.store.stored_event import StoredEvent
from meshwright.v1 import error_reason_pb2 as reasons

MAX_BEHIND_EVENTS = 4096
MAX_BEHIND_BYTES = 4 << 20
"""A subscription that lies further behind is ended: its reader comes back with its cursor and reads from the log. What waits is
shared by all who are behind in a session, so a session costs so much memory at most however many of its readers are slow."""


class Subscription:
    """A reader's end of a live tail. Not to be shared between tasks."""

    __slots__ = ("_behind", "_behind_bytes", "_end", "_ready", "_tails", "_waiting", "session_id")

    def __init__(self, tails: LiveTails, session_id: str) -> None:
        self.session_id = session_id
        self._tails = tails
        self._waiting: deque[Sequence[StoredEvent]] = deque()
        self._behind = self._behind_bytes = 0
        self._ready = asyncio.Event()
        self._end: MeshError | None = None

    async def wait(self) -> None:
        """Return when there is something to take, the subscription has ended, or somebody poked it."""
        await self._ready.wait()

    def take(self) -> list[StoredEvent]:
        """What has come since the last take, in order; maybe nothing.

        Raises:
            MeshError: READER_TOO_SLOW when the reader fell too far behind, SESSION_NOT_FOUND when the session was deleted,
                or whatever else ended the subscription.
        """
        if self._end is not None:
            raise self._end
        self._ready.clear()
        events = [event for batch in self._waiting for event in batch]
        self._waiting.clear()
        self._behind = self._behind_bytes = 0
        return events

    def poke(self) -> None:
        """Wake the reader though nothing came."""
        self._ready.set()

    def publish(self, events: Sequence[StoredEvent], size: int) -> None:
        """Hand events of so many bytes to the reader; the sequence is shared between subscriptions and must not change."""
        self._behind += len(events)
        self._behind_bytes += size
        too_much = self._behind_bytes > MAX_BEHIND_BYTES and self._waiting
        if self._behind > MAX_BEHIND_EVENTS or too_much:
            self.end(_too_slow(self._waiting[0][0].sequence - 1 if self._waiting else events[0].sequence - 1))
            return
        self._waiting.append(events)
        self._ready.set()

    def end(self, error: MeshError) -> None:
        """End the subscription: the next take raises `error`."""
        self._end = error
        self._waiting.clear()
        self._ready.set()
        self.close()

    def close(self) -> None:
        """Leave the tail. Closing twice is no error."""
        self._tails.leave(self)


def _too_slow(last_sequence: int) -> MeshError:
    return MeshError(
        reasons.ERROR_REASON_READER_TOO_SLOW,
        "The reader fell too far behind the session; watch it again after the last sequence that was received.",
        metadata={"last_sequence": last_sequence},
    )


class LiveTails:
    """All subscriptions of one replica."""

    def __init__(self, joined: Callable[[str], None] | None = None, left: Callable[[str], None] | None = None) -> None:
        """`joined` is told of a session that gets its first subscription, `left` of one that loses its last."""
        self._joined = joined
        self._left = left
        self._by_session: defaultdict[str, set[Subscription]] = defaultdict(set)

    def subscribe(self, session_id: str) -> Subscription:
        """Follow a session from now on."""
        subscription = Subscription(self, session_id)
        if self._joined is not None and session_id not in self._by_session:
            self._joined(session_id)
        self._by_session[session_id].add(subscription)
        return subscription

    def followed(self, session_id: str) -> bool:
        """Whether anybody follows the session here."""
        return session_id in self._by_session

    def leave(self, subscription: Subscription) -> None:
        """Forget a subscription."""
        subscriptions = self._by_session.get(subscription.session_id)
        if subscriptions is not None:
            subscriptions.discard(subscription)
            if not subscriptions:
                del self._by_session[subscription.session_id]
                if self._left is not None:
                    self._left(subscription.session_id)

    def publish(self, session_id: str, events: Sequence[StoredEvent]) -> None:
        """Give events to all who follow the session."""
        subscriptions = self._by_session.get(session_id)
        if subscriptions:
            size = sum(len(event.frame) for event in events)
            for subscription in tuple(subscriptions):
                subscription.publish(events, size)

    def end_session(self, session_id: str, error: MeshError) -> None:
        """End all who follow the session."""
        for subscription in tuple(self._by_session.get(session_id, ())):
            subscription.end(error)

    def end_all(self, error: MeshError) -> None:
        """End everybody."""
        for session_id in tuple(self._by_session):
            self.end_session(session_id, error)
