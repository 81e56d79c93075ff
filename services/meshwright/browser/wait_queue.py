"""Callers that wait for a browser: first come, first served, each until its own deadline."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meshwright.browser.isolate import Isolate


class Waiter:
    """One caller in the queue."""

    def __init__(self) -> None:
        self.since = time.monotonic()
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

    def join(self) -> Waiter:
        """Queue up at the end."""
        waiter = Waiter()
        self._waiters.append(waiter)
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Give the place up; one that was served already has none."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)

    def next(self) -> Waiter:
        """The first, who leaves the queue. There must be one."""
        return self._waiters.popleft()
