"""Runs that are to end when the stream that started them vanishes and nobody comes back to watch."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from meshwright.serving.errors import MeshError
from meshwright.v1.agent_service_pb2 import CancelRunRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meshwright.agent.verbs import Verbs
    from meshwright.store.interface import Store

log = structlog.get_logger(__name__)


class Abandonment:
    """Gives clients time to come back before their runs are cancelled."""

    def __init__(self, verbs: Verbs, store: Store, grace: float) -> None:
        self._verbs = verbs
        self._store = store
        self._grace = grace
        self._waiting: set[asyncio.Task[None]] = set()

    def stream_vanished(self, principal: str, session_id: str, run_ids: Sequence[str]) -> None:
        """A stream ended without `close`; these of its runs do not want to outlive it."""
        if run_ids:
            task = asyncio.create_task(self._cancel_unless_watched(principal, session_id, run_ids))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)

    async def close(self) -> None:
        """Forget what was waiting: the runs go on with the next process."""
        for task in self._waiting:
            task.cancel()
        if self._waiting:
            await asyncio.wait(self._waiting)

    async def _cancel_unless_watched(self, principal: str, session_id: str, run_ids: Sequence[str]) -> None:
        await asyncio.sleep(self._grace)
        for run_id in run_ids:
            try:
                if await self._store.followed(session_id):
                    return
                await self._verbs.cancel_run(principal, CancelRunRequest(session_id=session_id, run_id=run_id))
            except MeshError as error:
                log.info("agent.abandoned_run_not_cancelled", run_id=run_id, reason=error.reason_name)
