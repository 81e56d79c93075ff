"""Room for one more browser: which sessions have one, and whose is given back before none is free."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

from meshwright.serving.channel import forward
from meshwright.v1.browser_service_pb2 import GetPoolRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from meshwright.v1.browser_service_pb2_grpc import BrowserServiceStub

POOL_SECONDS = 2.0
BROWSER_TOOLS = "browser."


class BrowserRoom:
    """A session keeps its browser while it rests, but the pool's last one is always left to whoever comes."""

    def __init__(self, stub: BrowserServiceStub) -> None:
        self._stub = stub
        self._holding: set[str] = set()
        self._taking: set[str] = set()
        """Sessions that wait for a browser, or are about to, which the pool does not know of yet."""

    def leased(self, session_id: str) -> None:
        """The session has a browser."""
        self._holding.add(session_id)
        self._taking.discard(session_id)

    def released(self, session_id: str) -> None:
        """The session has none."""
        self._holding.discard(session_id)

    def needs(self, session_id: str) -> None:
        """The session is about to lease a browser, unless it has one."""
        if session_id not in self._holding:
            self._taking.add(session_id)

    def rests(self, session_id: str) -> None:
        """The session has no run at work, so it takes no browser."""
        self._taking.discard(session_id)

    async def to_give_back(self, resting: Iterable[str]) -> str:
        """The session whose browser has to be given back so that one is left; empty when none has to.

        `resting` are the sessions without a run at work, the one that rests longest first.
        """
        candidate = next((session_id for session_id in resting if session_id in self._holding), "")
        if not candidate or await self._is_one_left():
            return ""
        return candidate if candidate in self._holding else ""

    async def _is_one_left(self) -> bool:
        """Whether a browser is left when everybody who waits has got one; a pool that does not answer is left alone."""
        try:
            pool = (await self._stub.GetPool(GetPoolRequest(), **forward(POOL_SECONDS))).pool
        except grpc.aio.AioRpcError:
            return True
        return pool.leased + max(pool.queued, len(self._taking)) < pool.capacity
