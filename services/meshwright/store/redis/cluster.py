"""A client of a cluster: each command goes to the node that has its key."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

from redis.commands import AsyncCoreCommands
from redis.crc import key_slot
from redis.event import EventDispatcher
from redis.exceptions import AskError, ClusterDownError, MovedError, TryAgainError

from meshwright.store.redis.connection import LOST, PASSING, UNSENT, Client, insisting
from meshwright.store.redis.server import Command, Server
from meshwright.store.redis.slots import Slots

T = TypeVar("T")
MAX_REDIRECTIONS = 8
SCRIPTS = ("EVAL", "EVALSHA")
FIRST_KEY_OF_SCRIPT = 3
DOUBTFUL = (ClusterDownError, *LOST)
"""After these the nodes are asked who has what."""


class Cluster(AsyncCoreCommands):
    """What `Server` is of one server. Only commands with a key of their own, or named here, can be sent."""

    loses_messages = True
    _event_dispatcher = EventDispatcher()
    """The library's commands ask for one; those that use it are not sent here."""

    def __init__(self, slots: Slots, *, patient: bool) -> None:
        self._slots = slots
        self._passing = PASSING if patient else UNSENT
        self._heard_at: Server | None = None

    async def execute_command(self, *command: Any, **options: Any) -> Any:
        """The answer of the node that has the key."""
        return await insisting(lambda: self._routed(command, options), self._passing)

    async def look(self, commands: Sequence[Command]) -> list[Any]:
        """See Server. While the keys are on their way to another node it is one read after the other."""

        async def one_by_one(_: Server) -> list[Any]:
            return [await self._routed(command, {}) for command in commands]

        return await insisting(
            lambda: self._at_owner(_slot_of(commands[0]), lambda server: server.look(commands), one_by_one),
            self._passing,
        )

    async def send_each(self, commands: Sequence[Command]) -> list[Any]:
        """See Server. They keep their order at each node."""
        results: list[Any] = [None] * len(commands)

        async def send(server: Server, places: Sequence[int]) -> None:
            answers = await server.send_each([commands[place] for place in places])
            for place, answer in zip(places, answers, strict=True):
                results[place] = answer
                self._heed(answer, server)

        by_server: defaultdict[Server, list[int]] = defaultdict(list)
        try:
            for place, command in enumerate(commands):
                by_server[await self._slots.server_of(_slot_of(command))].append(place)
        except PASSING as failure:
            return [failure] * len(commands)
        await asyncio.gather(*(send(server, places) for server, places in by_server.items()))
        return results

    async def ping(self, **_: Any) -> bool:  # type: ignore[override]
        """Whether every slot has a node, and one of them answers. SERVER_FAILURES."""
        return bool(await random.choice(await self._slots.primaries()).ping())  # noqa: S311 - any of them will do

    async def publish(self, channel: str, message: bytes) -> int:  # type: ignore[override]
        """Publish to whoever listens, at any node."""

        async def attempt() -> int:
            return int(await (await self._anybody()).publish(channel, message))

        return await insisting(attempt, self._passing)

    async def listener(self) -> Client:
        """See Server. Any node hears all channels; not the one where this listened before, of which nobody knows how it is."""
        self._heard_at = await self._anybody(but=self._heard_at)
        return self._heard_at.pubsub()

    async def listeners(self, channel: str) -> int:
        """See Server; at whichever node."""
        return sum([await server.listeners(channel) for server in await self._slots.primaries()])

    async def scan_iter(self, **options: Any) -> AsyncIterator[bytes]:  # type: ignore[override]
        """The keys of every node."""
        for server in await self._slots.primaries():
            async for key in server.scan_iter(**options):
                yield key

    async def flushall(self) -> None:  # type: ignore[override]
        """Remove everything from every node."""
        for server in await self._slots.primaries():
            await server.flushall()

    def lane(self, key: str) -> str:
        """See Server."""
        place = self._slots.place_of(key_slot(key.encode()))
        return f"{place.host}:{place.port}" if place else ""

    async def aclose(self) -> None:
        """Close every connection."""
        await self._slots.aclose()

    async def _routed(self, command: Command, options: dict[str, Any]) -> Any:
        return await self._at_owner(
            _slot_of(command),
            lambda server: server.execute_command(*command, **options),
            lambda server: server.after_asking(command, options),
        )

    async def _at_owner(
        self, slot: int, work: Callable[[Server], Awaitable[T]], asking: Callable[[Server], Awaitable[T]]
    ) -> T:
        """Do it at the node that has the slot, or, where that sends on, at the node to which the slot is on its way."""
        server = await self._slots.server_of(slot)
        for _ in range(MAX_REDIRECTIONS):
            try:
                return await work(server)
            except MovedError as moved:
                self._slots.moved(moved, server)
                server = self._slots.redirected(moved, server)
            except AskError as redirection:
                return await asking(self._slots.redirected(redirection, server))
            except DOUBTFUL:
                self._slots.doubt()
                raise
        raise TryAgainError("The slot moves faster than one can follow.")

    def _heed(self, answer: Any, server: Server) -> None:
        if isinstance(answer, MovedError):
            self._slots.moved(answer, server)
        elif isinstance(answer, DOUBTFUL):
            self._slots.doubt()

    async def _anybody(self, but: Server | None = None) -> Server:
        """Some node; another one the next time."""
        known = self._slots.known() or await self._slots.primaries()
        return random.choice([server for server in known if server is not but] or known)  # noqa: S311 - any of them will do


def _slot_of(command: Command) -> int:
    key = command[FIRST_KEY_OF_SCRIPT if command[0] in SCRIPTS else 1]
    return int(key_slot(key if isinstance(key, bytes) else str(key).encode()))
