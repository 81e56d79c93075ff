"""How long logs are kept: what the settings allow to go is removed from time to time, and from a session that has grown too long."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from meshwright.serving.errors import MeshError
from meshwright.store.interface import Retention

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from meshwright.store.interface import Store
    from meshwright.v1.run_pb2 import Run

SWEEP_SECONDS = 3600.0
FIRST_SWEEP_SECONDS = 60.0
DAY_SECONDS = 86_400.0
log = structlog.get_logger(__name__)


class Retainer:
    """Trims the logs of a store. Nothing depends on when: a removal that fails is made the next time."""

    def __init__(self, store: Store, days: float, max_events: int) -> None:
        """Runs are kept for `days` after their end, 0 for ever, and a log's newest `max_events` events, 0 for all."""
        self._store = store
        self._days = days
        self._max_events = max_events
        self._trimming: dict[str, asyncio.Task[None]] = {}

    async def sweep(self) -> None:
        """Go through all sessions, for ever."""
        if not self._days and not self._max_events:
            return
        pause = FIRST_SWEEP_SECONDS
        while True:
            await asyncio.sleep(pause)
            before = time.time() - self._days * DAY_SECONDS if self._days else 0.0
            await _trim("*", self._store.trim_all(Retention(before, self._max_events)))
            pause = SWEEP_SECONDS

    def run_ended(self, run: Run) -> None:
        """Have the session's log shortened where it has become too long."""
        session_id = run.session_id
        # No log has more events than its last sequence says.
        if not self._max_events or run.finish_sequence <= self._max_events or session_id in self._trimming:
            return
        work = _trim(session_id, self._store.trim(session_id, Retention(events=self._max_events)))
        task = self._trimming[session_id] = asyncio.create_task(work, name=f"trim {session_id}")
        task.add_done_callback(lambda _: self._trimming.pop(session_id))

    async def close(self) -> None:
        """Finish what is under way."""
        if self._trimming:
            await asyncio.wait(self._trimming.values())


async def _trim(session_id: str, work: Awaitable[int]) -> None:
    try:
        removed = await work
    except MeshError as error:
        log.warning("retention.failed", session_id=session_id, reason=error.reason_name)
        return
    if removed:
        log.info("retention.trimmed", session_id=session_id, events=removed)
