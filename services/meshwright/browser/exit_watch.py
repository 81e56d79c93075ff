"""Learning at once that a process has ended which is not ours to wait for."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable

POLL_SECONDS = 0.5


class ExitWatch:
    """Calls `ended` once, soon after the process has ended. `close` ends the watch."""

    def __init__(self, pid: int, ended: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = ended
        self._fd: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._process: psutil.Process | None = None
        try:
            if hasattr(os, "pidfd_open"):
                self._fd = os.pidfd_open(pid)
                self._loop.add_reader(self._fd, self._done)
            else:
                self._process = psutil.Process(pid)
                self._poll()
        except (ProcessLookupError, psutil.NoSuchProcess):
            self._timer = self._loop.call_later(0, self._done)

    def close(self) -> None:
        """Stop watching."""
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _poll(self) -> None:
        assert self._process is not None
        if self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE:
            self._timer = self._loop.call_later(POLL_SECONDS, self._poll)
        else:
            self._done()

    def _done(self) -> None:
        self.close()
        self._ended()
