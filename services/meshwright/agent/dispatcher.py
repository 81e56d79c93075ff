"""Which runs this replica works on: it claims what waits, keeps its claims alive and tells workers what concerns them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from meshwright.agent.lease import LEASE_SECONDS
from meshwright.agent.metrics import agent_metrics
from meshwright.agent.worker import Worker
from meshwright.serving.errors import MeshError
from meshwright.store.interface import ApprovalSettled, CancelRequested, InputDelivered, RunWaiting, SessionDeleted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from meshwright.agent.loop import Parts
    from meshwright.store.interface import Claim, ClaimedRun, Signal
    from meshwright.v1.run_pb2 import Run, Track
    from meshwright.v1.tool_pb2 import ToolCompletion

RENEW_SECONDS = 2.0
CLAIM_RETRY_SECONDS = 1.0
log = structlog.get_logger(__name__)


class Engaged(NamedTuple):
    """A worker and the task in which it works."""

    worker: Worker
    task: asyncio.Task[Any]


class Dispatcher:
    """Runs `limit` workers at most, on runs that are for a track.

    `run` works until it is cancelled; runs that are not finished then wait for the next process.
    """

    def __init__(
        self, parts: Parts, owner: str, track: Track.ValueType, limit: int, on_end: Callable[[Run], None]
    ) -> None:
        """`on_end` is told of every run that ended here, but not of those of sub-agents."""
        self._parts = parts
        self._owner = owner
        self._track = track
        self._limit = limit
        self._on_end = on_end
        self._engaged: dict[str, Engaged] = {}
        self._sub_agents: dict[str, Engaged] = {}
        self._wake = asyncio.Event()
        self._claiming = asyncio.Lock()
        self._claims_under_way = 0
        self._cancelled_meanwhile: set[str] = set()
        self._leaving = False

    @property
    def active(self) -> int:
        """Runs at work here."""
        return len(self._engaged)

    async def run(self) -> None:
        """Claim and work."""
        self._parts.store.listen(self._on_signal)
        renewing = asyncio.create_task(self._keep_renewing())
        try:
            while True:
                self._wake.clear()
                await self._claim_what_waits()
                await self._sleep()
        finally:
            renewing.cancel()
            tasks = [engaged.task for engaged in self._engaged.values()]
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)

    @contextlib.contextmanager
    def claiming(self) -> Iterator[None]:
        """Claim a run and give it a worker, as long as this is entered: a cancellation may come between the two."""
        self._claims_under_way += 1
        try:
            yield
        finally:
            self._claims_under_way -= 1
            if not self._claims_under_way:
                self._cancelled_meanwhile.clear()

    def engage(self, worker: Worker, task: asyncio.Task[ToolCompletion | None]) -> None:
        """Keep the claim of a sub-agent, and tell it what concerns it, as long as its task runs. It counts to its root."""
        run_id = worker.claim.run_id
        if run_id in self._cancelled_meanwhile:
            worker.cancel()
        self._sub_agents[run_id] = engaged = Engaged(worker, task)

        def ended(_: asyncio.Task[ToolCompletion | None]) -> None:
            if self._sub_agents.get(run_id) is engaged:
                del self._sub_agents[run_id]

        task.add_done_callback(ended)

    def _everybody(self) -> list[Engaged]:
        return [*self._engaged.values(), *self._sub_agents.values()]

    def _at_work_on(self, run_id: str) -> Worker | None:
        engaged = self._engaged.get(run_id) or self._sub_agents.get(run_id)
        return engaged.worker if engaged is not None else None

    async def hand_over(self, grace: float) -> None:
        """Claim nothing more, and give each run back as soon as its step ends, after `grace` seconds at the latest."""
        self._leaving = True
        async with self._claiming:
            engaged = tuple(self._engaged.values())
        await asyncio.gather(*(self._part_with(each, grace) for each in engaged))

    async def _part_with(self, engaged: Engaged, grace: float) -> None:
        worker, task = engaged
        worker.leave()
        await asyncio.wait([task], timeout=0 if worker.waits_for_a_person else grace)
        task.cancel()
        await asyncio.wait([task])
        # The next worker opens a stream of its own; two would work in one workspace.
        await self._parts.toolbox.forget(worker.claim.session_id)
        await self._release(worker.claim)

    async def _release(self, claim: Claim) -> None:
        try:
            await self._parts.store.release_claims([claim])
        except MeshError as error:
            log.warning("dispatcher.not_released", run_id=claim.run_id, reason=error.reason_name)

    async def _sleep(self) -> None:
        """Until there may be something to claim: on a signal, or when another's lease may be over."""
        try:
            async with asyncio.timeout(CLAIM_RETRY_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _claim_what_waits(self) -> None:
        async with self._claiming:
            if any(engaged.worker.overdue for engaged in self._engaged.values()):
                # This process stood still. Its runs are still its own unless another has claimed them.
                await self._renew()
            while not self._leaving and len(self._engaged) < self._limit and await self._claim_one():
                pass

    async def _claim_one(self) -> bool:
        until = time.monotonic() + LEASE_SECONDS
        with self.claiming():
            try:
                claimed = await self._parts.store.claim_run(self._owner, LEASE_SECONDS, self._track)
            except MeshError as error:
                log.warning("dispatcher.claim_failed", reason=error.reason_name)
                return False
            if claimed is not None and not self._leaving:
                self._start(claimed, until)
                return True
        if claimed is not None:
            await self._release(claimed.claim)
        return False

    def _start(self, claimed: ClaimedRun, until: float) -> None:
        run_id = claimed.claim.run_id
        worker = Worker(claimed, self._parts, self)
        worker.renewed(until)
        if run_id in self._cancelled_meanwhile:
            worker.cancel()
        task = asyncio.create_task(_work(worker, self._engaged.get(run_id)), name=run_id)
        engaged = self._engaged[run_id] = Engaged(worker, task)
        task.add_done_callback(lambda _: self._ended(engaged))

    def _ended(self, engaged: Engaged) -> None:
        worker, task = engaged
        run_id = worker.claim.run_id
        if self._engaged.get(run_id) is engaged:
            del self._engaged[run_id]
        self._wake.set()
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            log.error("dispatcher.worker_failed", run_id=run_id, exc_info=error)
        elif (run := task.result()) is not None:
            self._on_end(run)

    def _on_signal(self, signal: Signal) -> None:
        match signal:
            case RunWaiting():
                self._wake.set()
            case CancelRequested(run_id=run_id):
                if self._claims_under_way:
                    self._cancelled_meanwhile.add(run_id)
                if (worker := self._at_work_on(run_id)) is not None:
                    worker.cancel()
            case InputDelivered(run_id=run_id, interrupt=True):
                if (worker := self._at_work_on(run_id)) is not None:
                    worker.interrupt()
            case InputDelivered():
                pass  # the worker reads its inputs before each step
            case ApprovalSettled(run_id=run_id, approval_id=approval_id):
                if (worker := self._at_work_on(run_id)) is not None:
                    worker.approval_settled(approval_id)
            case SessionDeleted(session_id=session_id):
                for worker, task in self._everybody():
                    if worker.claim.session_id == session_id:
                        task.cancel()

    async def _keep_renewing(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await self._renew()

    async def _renew(self) -> None:
        """Renew all claims, stop working on what is another's, and heed what was asked of runs while signals got lost."""
        engaged = {each.worker.claim: each for each in self._everybody()}
        if not engaged:
            return
        until = time.monotonic() + LEASE_SECONDS
        known = {claim: each.worker.inputs_known for claim, each in engaged.items()}
        try:
            renewal = await self._parts.store.renew_claims(tuple(engaged), LEASE_SECONDS, known)
        except MeshError as error:
            log.warning("dispatcher.renewal_failed", reason=error.reason_name)
            return
        for claim, (worker, task) in engaged.items():
            if claim in renewal.lost:
                agent_metrics.claim_lost()
                task.cancel()
                continue
            worker.renewed(until)
            if claim in renewal.cancelled:
                worker.cancel()
            elif claim in renewal.steered:
                worker.steered()


async def _work(worker: Worker, before: Engaged | None) -> Run | None:
    """Work on a run; where this replica has claimed a run of its own again, only once its worker of before is done."""
    if before is not None:
        before.task.cancel()
        await asyncio.wait([before.task])
    return await worker.work()
