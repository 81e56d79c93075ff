"""Callers that wait for a browser: who has waited longest is served first, each until its own deadline."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meshwright.browser.isolate import Isolate


class Waiter:
    """One caller in the queue."""

    def __init__(self, waited: float) -> None:
        self.since = time.monotonic() - waited
        """When it began to wait, at whichever pool."""
        self.granted: asyncio.Future[Isolate] = asyncio.get_running_loop().create_future()


class WaitQueue:
    """A bounded queue of waiters."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiters: deque[Waiter] = deque()

    def __len__(self) -> int:
        return len(self._waiters)

    @property
    def is_full(self) -> bool:
        """Nobody else may wait."""
        return len(self._waiters) >= self._limit

    def join(self, waited: float = 0.0) -> Waiter:
        """Queue up behind all who have waited for as long, here and elsewhere."""
        waiter = Waiter(waited)
        place = len(self._waiters)
        while place and self._waiters[place - 1].since > waiter.since:
            place -= 1
        self._waiters.insert(place, waiter)
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Give the place up; one that was served already has none."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)

    def next(self) -> Waiter:
        """The first, who leaves the queue. There must be one."""
        return self._waiters.popleft()
