"""Which node of a cluster has which slot."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from redis.exceptions import AskError, ClusterDownError, MovedError

from meshwright.store.redis.connection import heeding
from meshwright.store.redis.server import Server

SLOTS = 16384
TELL_SECONDS = 1.0
"""A node that has not told of the slots by then is not heeded."""
REST_SECONDS = 0.5
"""Between two times that the nodes are asked because something failed."""


class Place(NamedTuple):
    """Where a node is."""

    host: str
    port: int


class Range(NamedTuple):
    """Slots of one node, the last one included."""

    first: int
    last: int
    place: Place


class Slots:
    """What is known of the nodes, and a client for each.

    What has moved is learnt slot by slot from the nodes' redirections; when a node fails all others are asked, and most of them are
    right. Connections stay open whatever is learnt: others use them.
    """

    def __init__(self, seed: Place, connect: Callable[[Place], Server]) -> None:
        self._seed = seed
        self._connect = connect
        self._places: dict[int, Place] = {}
        self._servers: dict[Place, Server] = {}
        self._learning: asyncio.Task[None] | None = None
        self._learnt = float("-inf")

    def place_of(self, slot: int) -> Place | None:
        """Where a slot is, as far as is known."""
        return self._places.get(slot)

    async def server_of(self, slot: int) -> Server:
        """The node that has a slot. SERVER_FAILURES where nobody tells, or nobody has it."""
        if slot not in self._places:
            await self.learn()
        place = self._places.get(slot)
        if place is None:
            raise ClusterDownError(f"No node has slot {slot}.")
        return self.server_at(place)

    def server_at(self, place: Place) -> Server:
        """The node at a place, which may have no slot yet."""
        server = self._servers.get(place)
        if server is None:
            server = self._servers[place] = self._connect(place)
        return server

    def redirected(self, redirection: AskError, asked: Server) -> Server:
        """The node to which the one that was asked sends."""
        return self.server_at(_target(redirection, asked))

    def moved(self, redirection: MovedError, asked: Server) -> None:
        """A slot is at another node from now on."""
        self._places[redirection.slot_id] = _target(redirection, asked)

    async def primaries(self) -> list[Server]:
        """Every node that has slots, as the nodes say now. SERVER_FAILURES."""
        await self.learn()
        if len(self._places) < SLOTS:
            raise ClusterDownError(f"{SLOTS - len(self._places)} slots of the cluster have no node")
        return [self.server_at(place) for place in sorted(set(self._places.values()))]

    def known(self) -> list[Server]:
        """Every node that is known to have slots."""
        return [self.server_at(place) for place in set(self._places.values())]

    def doubt(self) -> None:
        """Ask the nodes anew, behind what is under way: one of them has failed."""
        if asyncio.get_running_loop().time() - self._learnt > REST_SECONDS:
            self._begin_to_learn()

    async def learn(self) -> None:
        """Ask the nodes. It goes on for the others who wait where one is cancelled."""
        self._begin_to_learn()
        if self._learning is not None:
            await asyncio.shield(self._learning)

    async def aclose(self) -> None:
        """Close every connection."""
        if self._learning is not None:
            self._learning.cancel()
            await asyncio.wait([self._learning])
        for server in self._servers.values():
            await server.aclose()

    def _begin_to_learn(self) -> None:
        if self._learning is None or self._learning.done():
            self._learning = asyncio.create_task(self._learn(), name="store-slots")
            # Nobody may be waiting for it.
            self._learning.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _learn(self) -> None:
        try:
            places = [self._seed, *(set(self._places.values()) - {self._seed})]
            told = await asyncio.gather(*(self._told_by(place) for place in places), return_exceptions=True)
            answers = Counter(answer for answer in told if not isinstance(answer, BaseException))
            if not answers:
                raise next(failure for failure in told if isinstance(failure, BaseException))
            ((ranges, _),) = answers.most_common(1)
            self._places = {slot: each.place for each in ranges for slot in range(each.first, each.last + 1)}
            await self._forget_others()
        finally:
            self._learnt = asyncio.get_running_loop().time()

    async def _told_by(self, place: Place) -> tuple[Range, ...]:
        async with asyncio.timeout(TELL_SECONDS):
            rows: Any = await heeding(self.server_at(place).execute_command("CLUSTER SLOTS"))
        # A node that does not know its own name leaves it out: it is the one that was asked.
        return tuple(
            sorted(Range(first, last, Place(_text(node[0]) or place.host, node[1])) for first, last, node, *_ in rows)
        )

    async def _forget_others(self) -> None:
        """Give up connections to nodes that are no more; what is under way on them ends first."""
        for place in set(self._servers) - set(self._places.values()) - {self._seed}:
            await self._servers.pop(place).connection_pool.disconnect(inuse_connections=False)


def _target(redirection: AskError, asked: Server) -> Place:
    """A node that does not know the other one's name leaves it out: it is its own."""
    return Place(redirection.host or asked.connection_pool.connection_kwargs["host"], redirection.port)


def _text(name: bytes | str | None) -> str:
    return name.decode() if isinstance(name, bytes) else name or ""
