"""Live tails and signals of one replica, over one connection however many watch."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import structlog
from redis.exceptions import ConnectionError as LostConnectionError

from meshwright.serving.errors import MeshError
from meshwright.store.interface import Signal
from meshwright.store.live import LiveTails, Subscription
from meshwright.store.redis import keys, signals, wire
from meshwright.store.redis.connection import SERVER_FAILURES, Client, heeding, unavailable
from meshwright.store.refusals import TrimmedError
from meshwright.store.stored_event import StoredEvent, place

log = structlog.get_logger(__name__)
PIECE_EVENTS = 512
POLL_SECONDS = 5.0
"""A connection on which nothing came for so long is asked whether it is there, and given up where it does not say so for as long again."""
LOOK_SECONDS = 5.0
"""Between two looks for messages that were lost though the connection holds."""
PAUSE_SECONDS = 0.1
READY_SECONDS = 5.0
STILL_THERE = "mw"
WRITER_CHARACTERS = 16
SEQUENCE_CHARACTERS = 16


class Tail:
    """How far the live events of a session have come here."""

    def __init__(self) -> None:
        self.last: int | None = None
        """The last event that was published; None until the channel is joined."""
        self.held: list[Sequence[StoredEvent]] = []
        """Events that came before those that precede them."""
        self.ready = asyncio.Event()
        self.catching_up: asyncio.Task[None] | None = None


class Follower:
    """Publishes the events of watched sessions in their order, whichever replica appended them.

    Own events come by `arrive` as soon as they are stored, those of others by the session's channel. A channel may lose messages:
    what does not follow the last event is held until the log has given what is missing, and after a new connection the log is asked
    at once. A node of a cluster hears nothing of others while its link to them is broken, so there the log is also asked now and then.
    """

    def __init__(
        self,
        client: Client,
        own: str,
        read: Callable[[str, int, int], Awaitable[list[StoredEvent]]],
        last_sequences: Callable[[Sequence[str]], Awaitable[list[int]]],
        on_signal: Callable[[Signal], None],
    ) -> None:
        self._client = client
        self._own = own.encode()
        self._read = read
        self._last_sequences = last_sequences
        self._on_signal = on_signal
        self._tails: dict[str, Tail] = {}
        self._changed = asyncio.Event()
        self.subscriptions = LiveTails(self._join, self._leave)
        self._work: asyncio.Task[None] | None = None
        # The client's library may swallow a cancellation that comes while it sends, so cancelling alone does not end the loops.
        self._closing = False

    def start(self) -> None:
        """Connect, and stay connected, unless that has begun already."""
        self._work = self._work or asyncio.create_task(self._stay_connected(), name="store-follower")

    async def close(self) -> None:
        """End every subscription."""
        self._closing = True
        self.subscriptions.end_all(unavailable("The server stops."))
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait([self._work])

    def subscribe(self, session_id: str) -> Subscription:
        """Follow a session from now on."""
        return self.subscriptions.subscribe(session_id)

    async def joined(self, session_id: str) -> None:
        """Wait until nothing that is appended to the session can be missed; at once where nobody follows it. UNAVAILABLE."""
        tail = self._tails.get(session_id)
        if tail is None or tail.ready.is_set():
            return
        try:
            async with asyncio.timeout(READY_SECONDS):
                await tail.ready.wait()
        except TimeoutError:
            raise unavailable() from None

    def arrive(self, session_id: str, events: Sequence[StoredEvent]) -> None:
        """Publish what is new among these events, or hold them until what precedes them is there."""
        tail = self._tails.get(session_id)
        if tail is None or not events:
            return
        if tail.last is None or events[0].sequence > tail.last + 1:
            tail.held.append(events)
            if tail.last is not None:
                self._catch_up(session_id, tail)
            return
        fresh = events[tail.last + 1 - events[0].sequence :]
        if fresh:
            tail.last = fresh[-1].sequence
            self.subscriptions.publish(session_id, fresh)

    def _join(self, session_id: str) -> None:
        self._tails[session_id] = Tail()
        self._changed.set()

    def _leave(self, session_id: str) -> None:
        tail = self._tails.pop(session_id)
        tail.ready.set()
        if tail.catching_up is not None:
            tail.catching_up.cancel()
        self._changed.set()

    async def _stay_connected(self) -> None:
        while not self._closing:
            try:
                await self._connected()
            except* SERVER_FAILURES:
                log.warning("store.follower_lost")
            except* Exception:
                log.exception("store.follower_failed")
            await asyncio.sleep(PAUSE_SECONDS)

    async def _connected(self) -> None:
        pubsub = await self._client.listener()
        try:
            await pubsub.subscribe(keys.SIGNALS)
            with _made_once(pubsub.connection):
                await self._use(pubsub)
        finally:
            await pubsub.aclose()

    async def _use(self, pubsub: Any) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_joined(pubsub))
            tasks.create_task(self._listen(pubsub))
            if self._client.loses_messages:
                tasks.create_task(self._look())

    async def _keep_joined(self, pubsub: Any) -> None:
        joined: dict[str, Tail] = {}
        while not self._closing:
            self._changed.clear()
            wanted = dict(self._tails)
            gone = [keys.live(session_id) for session_id in joined if session_id not in wanted]
            new = [keys.live(session_id) for session_id, tail in wanted.items() if joined.get(session_id) is not tail]
            if gone:
                await heeding(pubsub.unsubscribe(*gone))
            if new:
                await heeding(pubsub.subscribe(*new))
            joined = wanted
            if not self._closing:
                await self._changed.wait()

    async def _listen(self, pubsub: Any) -> None:
        asked = False
        while not self._closing:
            message = await heeding(pubsub.get_message(timeout=POLL_SECONDS))
            if message is None:
                if asked:
                    raise LostConnectionError("The server is silent.")
                await heeding(pubsub.ping(STILL_THERE))
            asked = message is None
            if message is None or message["type"] == "pong":
                continue
            channel = message["channel"].decode()
            if channel == keys.SIGNALS:
                if message["type"] == "message":
                    self._take_signal(message["data"])
            elif message["type"] == "subscribe":
                session_id = keys.session_of(channel)
                if (tail := self._tails.get(session_id)) is not None:
                    self._catch_up(session_id, tail)
            elif message["type"] == "message":
                self._take_events(keys.session_of(channel), message["data"])

    async def _look(self) -> None:
        """Find what sessions have that their watchers were not told."""
        while not self._closing:
            await asyncio.sleep(LOOK_SECONDS)
            followed = {name: tail for name, tail in self._tails.items() if tail.last is not None}
            try:
                lasts = await self._last_sequences(list(followed))
            except MeshError:
                continue
            for (session_id, tail), last in zip(followed.items(), lasts, strict=True):
                if tail.last is not None and last > tail.last:
                    self._catch_up(session_id, tail)

    def _take_signal(self, message: bytes) -> None:
        signal = signals.decode(self._own.decode(), message)
        if signal is not None:
            self._on_signal(signal)

    def _take_events(self, session_id: str, message: bytes) -> None:
        if message.startswith(self._own):
            return
        head = WRITER_CHARACTERS + SEQUENCE_CHARACTERS
        first = int(message[WRITER_CHARACTERS:head], 16)
        drafts = wire.unpack_drafts(message[head:])
        self.arrive(session_id, [place(sequence, *draft) for sequence, draft in enumerate(drafts, first)])

    def _catch_up(self, session_id: str, tail: Tail) -> None:
        if tail.catching_up is None or tail.catching_up.done():
            tail.catching_up = asyncio.create_task(self._read_what_is_missing(session_id, tail))

    async def _read_what_is_missing(self, session_id: str, tail: Tail) -> None:
        while True:
            try:
                await self._read_to_the_end(session_id, tail)
            except TrimmedError as trimmed:
                # What was missed is gone: whoever follows has to begin anew, and is told where.
                self.subscriptions.end_session(session_id, trimmed)
                return
            except MeshError:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            held, tail.held = tail.held, []
            for events in sorted(held, key=lambda events: events[0].sequence):
                self.arrive(session_id, events)
            tail.ready.set()
            if not tail.held:
                return

    async def _read_to_the_end(self, session_id: str, tail: Tail) -> None:
        if tail.last is None:
            (last,) = await self._last_sequences([session_id])
            tail.last = min([last, *(events[0].sequence - 1 for events in tail.held)])
        while events := await self._read(session_id, tail.last, PIECE_EVENTS):
            self.arrive(session_id, events)


@contextmanager
def _made_once(connection: Any) -> Iterator[None]:
    """Have a lost connection stay lost: two tasks use it, and the client's library would have each make it anew, and lose one of both."""

    async def refuse(**_: object) -> None:
        if not connection.is_connected:
            raise LostConnectionError("The connection was lost.")

    connection.connect_check_health = refuse
    try:
        yield
    finally:
        del connection.connect_check_health
