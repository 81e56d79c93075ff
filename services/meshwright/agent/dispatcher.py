"""Which runs this replica works on: it claims what waits, keeps its claims alive and tells workers what concerns them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from meshwright.agent.worker import Worker
from meshwright.serving.errors import MeshError
from meshwright.store.interface import ApprovalSettled, CancelRequested, InputDelivered, RunWaiting, SessionDeleted

if TYPE_CHECKING:
    from meshwright.agent.loop import Parts
    from meshwright.store.interface import ClaimedRun, Signal

LEASE_SECONDS = 6.0
RENEW_SECONDS = 2.0
CLAIM_RETRY_SECONDS = 2.0
log = structlog.get_logger(__name__)


class Dispatcher:
    """Runs `limit` workers at most. `run` works until it is cancelled; runs that are not finished then wait for the next process."""

    def __init__(self, parts: Parts, owner: str, limit: int) -> None:
        self._parts = parts
        self._owner = owner
        self._limit = limit
        self._workers: dict[str, Worker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._draining = False

    @property
    def active(self) -> int:
        """Runs at work here."""
        return len(self._tasks)

    async def run(self) -> None:
        """Claim and work."""
        self._parts.store.listen(self._on_signal)
        renewing = asyncio.create_task(self._renew())
        try:
            while True:
                self._wake.clear()
                await self._claim_what_waits()
                await self._sleep()
        finally:
            renewing.cancel()
            for task in self._tasks.values():
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks.values())

    def drain(self) -> None:
        """Claim nothing more."""
        self._draining = True

    async def _sleep(self) -> None:
        """Until there may be something to claim: on a signal, or when another's lease may be over."""
        try:
            async with asyncio.timeout(CLAIM_RETRY_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _claim_what_waits(self) -> None:
        while not self._draining and len(self._tasks) < self._limit:
            try:
                claimed = await self._parts.store.claim_run(self._owner, LEASE_SECONDS)
            except MeshError as error:
                log.warning("dispatcher.claim_failed", reason=error.reason_name)
                return
            if claimed is None:
                return
            self._start(claimed)

    def _start(self, claimed: ClaimedRun) -> None:
        run_id = claimed.claim.run_id
        worker = Worker(claimed, self._parts)
        task = asyncio.create_task(worker.work(), name=run_id)
        self._workers[run_id] = worker
        self._tasks[run_id] = task
        task.add_done_callback(lambda done: self._ended(run_id, done))

    def _ended(self, run_id: str, done: asyncio.Task[None]) -> None:
        self._workers.pop(run_id, None)
        self._tasks.pop(run_id, None)
        self._wake.set()
        if not done.cancelled() and (error := done.exception()) is not None:
            log.error("dispatcher.worker_failed", run_id=run_id, exc_info=error)

    def _on_signal(self, signal: Signal) -> None:
        match signal:
            case RunWaiting():
                self._wake.set()
            case CancelRequested(run_id=run_id):
                if (worker := self._workers.get(run_id)) is not None:
                    worker.cancel()
            case InputDelivered(run_id=run_id, interrupt=True):
                if (worker := self._workers.get(run_id)) is not None:
                    worker.interrupt()
            case InputDelivered():
                pass  # the worker reads its inputs before each step
            case ApprovalSettled(run_id=run_id, approval_id=approval_id):
                if (worker := self._workers.get(run_id)) is not None:
                    worker.approval_settled(approval_id)
            case SessionDeleted(session_id=session_id):
                for run_id, worker in tuple(self._workers.items()):
                    if worker.claim.session_id == session_id:
                        self._tasks[run_id].cancel()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            claims = [worker.claim for worker in self._workers.values()]
            if not claims:
                continue
            try:
                lost = await self._parts.store.renew_claims(claims, LEASE_SECONDS)
            except MeshError as error:
                log.warning("dispatcher.renewal_failed", reason=error.reason_name)
                continue
            for claim in lost:
                if (task := self._tasks.get(claim.run_id)) is not None:
                    task.cancel()
