"""The life of one run at this replica, from its claim to its one end."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from meshwright.agent.acting import Hands
from meshwright.agent.approving import Approvals
from meshwright.agent.delegating import Delegations
from meshwright.agent.ending import Ending, defect, finish, is_the_stores, out_of_time
from meshwright.agent.family import Member
from meshwright.agent.flags.catalogue import APPROVALS, DELEGATION
from meshwright.agent.flags.decided import decided
from meshwright.agent.inputs import Inputs
from meshwright.agent.loop import AgentLoop
from meshwright.agent.observing import run_span
from meshwright.agent.run_log import RunLog
from meshwright.serving.calls import Call, enter_call
from meshwright.serving.errors import MeshError
from meshwright.v1.run_pb2 import RunOutcome

if TYPE_CHECKING:
    from meshwright.agent.delegating import Crew
    from meshwright.agent.loop import Parts
    from meshwright.store.interface import ClaimedRun
    from meshwright.v1.run_pb2 import Run

ENDING_SECONDS = 10.0
log = structlog.get_logger(__name__)


class Worker:
    """Works on one claimed run, of a sub-agent where its member of the family has a parent.

    `work` returns when the run has ended, or when it is another's. `crew` looks after the workers of its sub-agents.
    """

    def __init__(self, claimed: ClaimedRun, parts: Parts, crew: Crew, member: Member | None = None) -> None:
        self.claim = claimed.claim
        self._member = member or Member(claimed.run)
        self._run = claimed.run
        self._cancelled = claimed.cancelled
        self._toolbox = parts.toolbox
        self._log = RunLog(parts.store, claimed.claim, claimed.run, self._member.path)
        self._inputs = Inputs(parts.store, self._log)
        rules = decided(claimed.run, APPROVALS, "")
        policy = parts.approval_policy.with_rules(rules) if rules else parts.approval_policy
        self._approvals = Approvals(parts.store, self._log, policy)
        delegations = Delegations(
            parts.store,
            self._log,
            self._member,
            parts.max_delegation_depth if decided(claimed.run, DELEGATION, otherwise=True) else 0,
            crew,
            lambda child, of_child: Worker(child, parts, crew, of_child),
        )
        hands = Hands(self._log, parts.toolbox, self._approvals, delegations)
        self._loop = AgentLoop(parts, hands, self._inputs, self._member)
        self._looping: asyncio.Task[Ending | None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._inputs_looked_at = 0

    def interrupt(self) -> None:
        """Stop the current step: an input waits that is not to wait for its end."""
        self._loop.interrupt()

    @property
    def inputs_known(self) -> int:
        """How many of the run's inputs this knows of, applied or not."""
        return max(self._inputs_looked_at, self._inputs.seen)

    def steered(self) -> None:
        """There are more inputs, of which no signal may have told: see whether one is not to wait for the end of the step."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name=f"inputs-{self._run.run_id}")

    def approval_settled(self, approval_id: str) -> None:
        """A person has answered."""
        self._approvals.settled(approval_id)

    @property
    def overdue(self) -> bool:
        """The claim was not renewed in time, so another may have the run."""
        return self._log.overdue

    @property
    def waits_for_a_person(self) -> bool:
        """All that the current step waits for is a person's answer."""
        return self._loop.waits_for_a_person

    def renewed(self, until: float) -> None:
        """The claim holds until this time of the monotonic clock."""
        self._log.held_until = until

    def leave(self) -> None:
        """Stop before the next step; the run goes on elsewhere."""
        self._loop.leave()

    def cancel(self) -> None:
        """End the run as cancelled. Once is enough: again would cut short how its calls are ended."""
        if self._cancelled:
            return
        self._cancelled = True
        if self._looping is not None:
            self._looping.cancel()

    async def work(self) -> Run | None:
        """Do the run; it as it ended, or None when it is another's. Cancelling this leaves the run as it is, for the next worker."""
        run = self._run
        enter_call(Call("run", run.run_id, run.traceparent, principal=self.claim.principal, run_id=run.run_id))
        with run_span(run):
            await self._work()
        return run if run.finish_sequence else None

    async def _work(self) -> None:
        if self._member.is_root:
            self._log.count_browser(self._toolbox.meter(self._run.session_id))
        looping = self._looping = asyncio.create_task(self._loop.run())
        # Where this is cancelled, nobody asks how the loop ended.
        looping.add_done_callback(lambda done: done.cancelled() or done.exception())
        if self._cancelled:
            looping.cancel()
        try:
            ending = await self._ending(looping)
            if ending is not None:
                await finish(self._log, self._inputs, ending)
        except asyncio.CancelledError:
            self._log.goes_on = True
            raise
        except MeshError as error:
            log.warning("run.left", run_id=self._run.run_id, reason=error.reason_name)
        finally:
            looping.cancel()
            if self._looking is not None:
                self._looking.cancel()
            await asyncio.wait([looping], timeout=ENDING_SECONDS)
            if self._member.is_root:
                self._toolbox.rest(self._run.session_id)

    async def _look(self) -> None:
        try:
            self._inputs_looked_at, interrupting = await self._inputs.look()
        except MeshError as error:
            # The next renewal tells of them again.
            log.warning("run.inputs_not_read", run_id=self._run.run_id, reason=error.reason_name)
            return
        if interrupting:
            self._loop.interrupt()

    async def _ending(self, looping: asyncio.Task[Ending | None]) -> Ending | None:
        """Wait for the loop's end, or for the run's deadline; None when nothing is left to write, or the run is another's."""
        done, _ = await asyncio.wait([looping], timeout=self._seconds_left())
        if not done:
            looping.cancel()
            await asyncio.wait([looping], timeout=ENDING_SECONDS)
            ending: Ending | None = Ending(RunOutcome.RUN_OUTCOME_EXPIRED, out_of_time(self._run))
        elif looping.cancelled():
            ending = Ending(RunOutcome.RUN_OUTCOME_CANCELLED)
        elif (error := looping.exception()) is not None:
            ending = self._failure(error)
        else:
            return looping.result()
        if ending is not None and (self._run.attempt > 1 or ending.outcome == RunOutcome.RUN_OUTCOME_FAILED):
            # The loop may not have come so far as to close what was open before it.
            await self._loop.close_what_is_open()
        return ending

    def _failure(self, error: BaseException) -> Ending | None:
        if isinstance(error, MeshError):
            if is_the_stores(error):
                log.warning("run.left", run_id=self._run.run_id, reason=error.reason_name)
                return None
            return Ending(RunOutcome.RUN_OUTCOME_FAILED, error)
        return Ending(RunOutcome.RUN_OUTCOME_FAILED, defect(self._run, error))

    def _seconds_left(self) -> float | None:
        """Until the run's deadline. A sub-agent has that of its root, which then ends it."""
        if not self._member.is_root:
            return None
        limit = self._run.spec.options.timeout.ToTimedelta().total_seconds()
        return max(0.0, self._run.start_time.ToNanoseconds() / 1e9 + limit - time.time())
