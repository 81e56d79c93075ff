"""The one event loop of the sync SDK, in a thread of its own.

gRPC wants a single event loop for a process, and a notebook has one already that must not be blocked.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

STOP_SECONDS = 2.0


class BackgroundLoop:
    """An event loop in a daemon thread, started when it is first used and ended with the program."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it there and wait for its result. Ctrl-C while waiting cancels it."""
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("the sync SDK cannot be called from its own event loop")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._started())
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def post(self, call: Callable[[], object]) -> None:
        """Have it called there, some time soon."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._guard:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._serve, name="meshwright", daemon=True)
                self._thread.start()
                atexit.register(self._stop)
            return self._loop

    def _serve(self) -> None:
        assert self._loop is not None
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        finally:
            self._loop.close()

    def _stop(self) -> None:
        assert self._loop is not None
        assert self._thread is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_SECONDS)


background = BackgroundLoop()
"""Shared by all sync meshes of the process."""
