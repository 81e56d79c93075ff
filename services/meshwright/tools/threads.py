"""Blocking work off the event loop, in a small pool of threads, which stops when its call does."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import ThreadPoolExecutor

T = TypeVar("T")

TELL_SECONDS = 1.0
"""News of work are told after the first second of it, and then once a second."""


class JobStoppedError(Exception):
    """The call for which the work was done has ended."""


class Job:
    """The link between work in a thread and its call. `tell` may be called in any thread, with a message and a fraction."""

    def __init__(self, tell: Callable[[str, float | None], object]) -> None:
        self._tell = tell
        self._told = time.monotonic()
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Asks the work to stop at its next `check`."""
        self._stopped.set()

    def check(self, message: str = "", fraction: float | None = None) -> None:
        """Long work calls it between its steps, and may say how far it is. Raises JobStoppedError once the call has ended."""
        if self._stopped.is_set():
            raise JobStoppedError
        if message and time.monotonic() >= self._told + TELL_SECONDS:
            self._told = time.monotonic()
            self._tell(message, fraction)


class Threads:
    """Runs blocking work. The pool is the caller's."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    async def run(self, work: Callable[[Job], T], job: Job) -> T:
        """What the work returns or raises. If the caller is cancelled, the work is told, and has ended when this raises:
        nothing that a call does happens after its completion."""
        future = asyncio.get_running_loop().run_in_executor(self._pool, work, job)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            job.stop()
            await asyncio.wait({future})
            raise
