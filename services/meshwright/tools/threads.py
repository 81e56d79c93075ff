"""Blocking work off the event loop, in a small pool of threads, which stops when its call does."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import ThreadPoolExecutor

T = TypeVar("T")


class JobStoppedError(Exception):
    """The call for which the work was done has ended."""


class Job:
    """The link between work in a thread and its call."""

    def __init__(self) -> None:
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Asks the work to stop at its next `check`."""
        self._stopped.set()

    def check(self) -> None:
        """Raises JobStoppedError once the call has ended. Long work calls it between its steps."""
        if self._stopped.is_set():
            raise JobStoppedError


class Threads:
    """Runs blocking work. The pool is the caller's."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    async def run(self, work: Callable[[Job], T]) -> T:
        """What the work returns or raises. If the caller is cancelled, the work is told, and has ended when this raises:
        nothing that a call does happens after its completion."""
        job = Job()
        future = asyncio.get_running_loop().run_in_executor(self._pool, work, job)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            job.stop()
            await asyncio.wait({future})
            raise
