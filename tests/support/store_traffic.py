"""Steady work on a shared store while its servers change, and what it saw: nothing lost, nothing doubled, and how long it was silent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from meshwright.serving.errors import MeshError
from meshwright.store.interface import Claim
from meshwright.store.redis.store import RedisStore
from meshwright.store.stored_event import StoredEvent
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.event_pb2 import Event, EventKind
from tests.support.store_drive import LEASE, a_claim, a_notice, a_replica, a_run, a_session

PACE_SECONDS = 0.01
PATIENCE = 30.0
NOTICE = EventKind.EVENT_KIND_NOTICE


@dataclass
class Seen:
    """How one of those at work fares: when it last got on, and how long it did not."""

    silence: float = 0.0
    """The longest time between two successes, in seconds."""
    refused: int = 0
    """How often it was told UNAVAILABLE."""
    last: float = field(default_factory=time.monotonic)

    def success(self) -> None:
        """It got on."""
        now = time.monotonic()
        self.silence, self.last = max(self.silence, now - self.last), now


@dataclass
class Session:
    """A session whose run appends."""

    claim: Claim
    acknowledged: list[str] = field(default_factory=list)
    """What the store has said to have stored."""
    tailed: list[StoredEvent] = field(default_factory=list)
    """What a watcher at another replica was given live."""
    writer: Seen = field(default_factory=Seen)
    watcher: Seen = field(default_factory=Seen)
    reader: Seen = field(default_factory=Seen)


class Traffic:
    """One replica appends to runs and renews its claims, another one watches and reads them."""

    def __init__(self, here: RedisStore, there: RedisStore) -> None:
        self._here = here
        self._there = there
        self._stopping = False
        self.sessions: dict[str, Session] = {}

    async def begin(self, names: Sequence[str]) -> None:
        """Have a run of each session claimed."""
        for name in names:
            await a_session(self._here, name)
            await a_run(self._here, f"run_of_{name}", name)
            claim = (await a_claim(self._here)).claim
            self.sessions[claim.session_id] = Session(claim)

    @asynccontextmanager
    async def under_way(self) -> AsyncIterator[None]:
        """Work until the block is left, and then until everything is through."""
        for seen in self._everybody():
            seen.last = time.monotonic()
        async with asyncio.TaskGroup() as work:
            watching = [work.create_task(self._watch(name, session)) for name, session in self.sessions.items()]
            writing = [work.create_task(self._write(session)) for session in self.sessions.values()]
            for name, session in self.sessions.items():
                work.create_task(self._read(name, session))
            work.create_task(self._renew())
            try:
                await self.goes_on()
                yield
                await self.goes_on()
            finally:
                self._stopping = True
            await asyncio.wait(writing)
            await self._all_seen()
            for task in watching:
                task.cancel()

    async def goes_on(self) -> None:
        """Wait until everybody has got on since now."""
        since = time.monotonic()
        async with asyncio.timeout(PATIENCE):
            while any(seen.last <= since for seen in self._everybody()):  # noqa: ASYNC110 (it just goes on)
                await asyncio.sleep(PACE_SECONDS)

    async def verify(self) -> None:
        """Raise AssertionError for an event that is lost, doubled or out of its order."""
        for name, session in self.sessions.items():
            stored = await self._there.read(name, 0, 100_000)
            assert [event.sequence for event in stored] == list(range(1, len(stored) + 1)), name
            said = [Event.FromString(event.payload).notice.text for event in stored if event.kind == NOTICE]
            numbers = [int(text) for text in said if text.isdecimal()]
            assert numbers == sorted(set(numbers)), name
            assert set(session.acknowledged) <= set(said), name
            tailed = [(event.sequence, event.payload) for event in session.tailed]
            assert tailed == [(event.sequence, event.payload) for event in stored[-len(tailed) :]], name

    def longest(self) -> dict[str, float]:
        """The longest silence of any writer, watcher and reader, in seconds."""
        each = self.sessions.values()
        return {
            "writer": max(session.writer.silence for session in each),
            "watcher": max(session.watcher.silence for session in each),
            "reader": max(session.reader.silence for session in each),
        }

    def _everybody(self) -> list[Seen]:
        return [seen for each in self.sessions.values() for seen in (each.writer, each.watcher, each.reader)]

    async def _write(self, session: Session) -> None:
        number = 0
        while not self._stopping:
            appending = self._here.append(session.claim, [a_notice(str(number))])
            if await _did(session.writer, appending):
                session.acknowledged.append(str(number))
            number += 1
            await asyncio.sleep(PACE_SECONDS)

    async def _read(self, name: str, session: Session) -> None:
        while not self._stopping:
            await _did(session.reader, self._there.get_session(session.claim.principal, name))
            await _did(session.reader, self._there.read(name, 0, 5))
            await asyncio.sleep(PACE_SECONDS)

    async def _renew(self) -> None:
        claims = [session.claim for session in self.sessions.values()]
        while not self._stopping:
            await _did(Seen(), self._renewed(claims))
            await asyncio.sleep(PACE_SECONDS)

    async def _renewed(self, claims: Sequence[Claim]) -> None:
        assert not (await self._here.renew_claims(claims, LEASE)).lost

    async def _watch(self, name: str, session: Session) -> None:
        subscription = self._there.subscribe(name)
        try:
            while True:
                await subscription.wait()
                session.tailed += subscription.take()
                session.watcher.success()
        finally:
            subscription.close()

    async def _all_seen(self) -> None:
        """Wait until every watcher was given what was acknowledged last."""
        async with asyncio.timeout(PATIENCE):
            for session in self.sessions.values():
                while session.acknowledged[-1] not in _texts(session.tailed[-50:]):  # noqa: ASYNC110 (it just goes on)
                    await asyncio.sleep(PACE_SECONDS)


def _texts(events: Sequence[StoredEvent]) -> list[str]:
    return [Event.FromString(event.payload).notice.text for event in events]


async def _did(seen: Seen, work: Awaitable[object]) -> bool:
    """Whether it was done; UNAVAILABLE is all that may come between."""
    try:
        await work
    except MeshError as error:
        if error.reason != reasons.ERROR_REASON_UNAVAILABLE:
            raise
        seen.refused += 1
        return False
    seen.success()
    return True


@asynccontextmanager
async def traffic(url: str, names: Sequence[str]) -> AsyncIterator[Traffic]:
    """Work on these sessions of a store that has none of them yet."""
    async with a_replica(url) as here, a_replica(url) as there:
        work = Traffic(here, there)
        await work.begin(names)
        yield work
