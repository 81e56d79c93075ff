"""What a replica has at a shared store: connections, its writer, what it follows; and the ways in which all changes go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from meshwright.serving.errors import MeshError
from meshwright.store.interface import Draft, RunWaiting, SessionDeleted, Signal
from meshwright.store.redis import keys, signals, trimming
from meshwright.store.redis.connecting import connect
from meshwright.store.redis.connection import Client, answered, unavailable
from meshwright.store.redis.follower import Follower
from meshwright.store.redis.plan import Plan, now
from meshwright.store.redis.quotas import Tokens
from meshwright.store.redis.writer import Change, Outcome, Writer
from meshwright.store.refusals import TrimmedError, session_not_found
from meshwright.store.stored_event import StoredEvent, place

log = structlog.get_logger(__name__)
MAX_MOVES = 64
"""A change that was overtaken so many times gives up."""


class Replica:
    """One process's part of the store."""

    def __init__(self, url: str) -> None:
        """ValueError where the address cannot be read."""
        self.client: Client = connect(url, patient=True)
        self.once: Client = connect(url)
        """Sends each command once, where `client` repeats what a failure has cut off."""
        self.writer = Writer(self.once)
        self.follower = Follower(self.once, self.writer.name, self.read_log, self._last_sequences, self.take)
        self.tokens = Tokens(self.client)
        self.listener: Callable[[Signal], None] = lambda signal: None
        self._background: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Finish what is under way and close."""
        await self.follower.close()
        await self.writer.close()
        await self.tokens.close()
        if self._background:
            await asyncio.wait(self._background)
        await self.disconnect()

    async def disconnect(self) -> None:
        """Close the connections at once."""
        await self.client.aclose()
        await self.once.aclose()

    async def read_log(self, session_id: str, after_sequence: int, limit: int) -> list[StoredEvent]:
        """Events after a sequence. TrimmedError."""
        rows = await answered(self.client.xrange(keys.log(session_id), f"{after_sequence + 1}-0", "+", limit))
        events = [
            place(int(entry[: entry.index(b"-")]), int(fields[b"k"]), fields[b"r"].decode(), fields[b"p"])
            for entry, fields in rows
        ]
        # Sequences have no gaps, so nothing but trimming can have made one.
        if not events or events[0].sequence > after_sequence + 1:
            first = await trimming.first_sequence(self.client, session_id)
            if after_sequence + 1 < first:
                raise TrimmedError(first)
        return events

    async def _last_sequences(self, session_ids: Sequence[str]) -> list[int]:
        """Of each session, 0 where it has no event. UNAVAILABLE."""
        found = await self.client.send_each([("HGET", keys.state(session_id), "last") for session_id in session_ids])
        if any(isinstance(last, Exception) for last in found):
            raise unavailable()
        return [int(last or 0) for last in found]

    def appended(self, session_id: str, outcome: Outcome, drafts: Sequence[Draft]) -> list[StoredEvent]:
        """The events of drafts that were stored; those who follow the session are given them."""
        events = [place(sequence, *draft) for sequence, draft in enumerate(drafts, outcome.first)]
        self.follower.arrive(session_id, events)
        return events

    def change(
        self, session_id: str, plan: Plan, drafts: Sequence[Draft] = (), answer_key: str = ""
    ) -> asyncio.Future[Outcome]:
        """Carry out a plan. SESSION_NOT_FOUND; a plan that was overtaken has the outcome `moved`."""

        def settle(outcome: Outcome, _: Change) -> Outcome:
            if outcome.code == "session":
                raise session_not_found(session_id)
            if outcome.code == "done" and drafts:
                self.appended(session_id, outcome, drafts)
            return outcome

        return self.writer.submit(session_id, lambda: Change(plan, drafts), settle, answer_key)

    async def change_what_was_read(
        self, session_id: str, attempt: Callable[[], Awaitable[tuple[Plan, Sequence[Draft]]]], answer_key: str
    ) -> Outcome:
        """Read, plan and change, again whenever what was read has moved."""
        for _ in range(MAX_MOVES):
            plan, drafts = await attempt()
            outcome = await self.change(session_id, plan, drafts, answer_key)
            if outcome.code != "moved":
                return outcome
        raise unavailable("The session changes faster than the store can follow.")

    async def code_of(self, session_id: str, plan: Plan) -> str:
        """Carry out a plan without events; the code of its outcome."""
        return await self.writer.submit(session_id, lambda: Change(plan), lambda outcome, _: outcome.code)

    def encoded(self, signal: Signal) -> bytes:
        """A signal as it travels to the others."""
        return signals.encode(self.writer.name, signal)

    def take(self, signal: Signal) -> None:
        """Hear a signal, one's own too."""
        if isinstance(signal, SessionDeleted):
            self.follower.subscriptions.end_session(signal.session_id, session_not_found(signal.session_id))
        self.listener(signal)

    async def touch(self, principal: str, session_id: str) -> None:
        """Say that the session was used, unless it was deleted meanwhile."""
        await answered(self.client.zadd(keys.sessions(principal), {session_id: now()}, xx=True))

    async def work_waits(self, principal: str, session_id: str) -> None:
        """Have somebody look whether a run of the session can be claimed."""
        await self.touch(principal, session_id)
        await self.wake()

    async def wake(self) -> None:
        """Have everybody look for runs."""
        await answered(self.client.publish(keys.SIGNALS, self.encoded(RunWaiting())))
        self.take(RunWaiting())

    def later(self, work: Awaitable[None]) -> None:
        """Do what needs no answer."""
        task = asyncio.create_task(leniently(work))
        self._background.add(task)
        task.add_done_callback(self._background.discard)


async def leniently(work: Awaitable[None]) -> None:
    """Do what follows a change that was made: if it fails, the end of a lease or the next such change makes up for it."""
    try:
        await work
    except MeshError as error:
        log.warning("store.afterwards_failed", reason=error.reason_name)
