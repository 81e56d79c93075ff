"""The sub-agents of one run: each is the work of one call of `agent.delegate`, a run of its own under a claim of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from meshwright.agent.compose import Composer
from meshwright.agent.delegate_tool import completion_of
from meshwright.agent.delegated_run import delegated_run
from meshwright.agent.family import Member
from meshwright.serving.errors import MeshError
from meshwright.store.refusals import claim_lost
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.event_pb2 import RunQueued
from meshwright.v1.tool_pb2 import ToolCompletion, ToolOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from meshwright.agent.run_log import RunLog
    from meshwright.agent.worker import Worker
    from meshwright.models.interface import Model
    from meshwright.models.interface import ToolCall as Asked
    from meshwright.store.interface import ClaimedRun, Store
    from meshwright.v1.run_pb2 import Run

AT_ONCE = 8
"""Sub-agents of one run that work at the same time; further calls wait for one of them."""
STOP_SECONDS = 8.0


class Crew(Protocol):
    """Who keeps the claims of sub-agents and tells them what concerns them."""

    def claiming(self) -> AbstractContextManager[None]:
        """Claim a run and engage its worker, as long as this is entered: a cancellation may come between the two."""
        ...

    def engage(self, worker: Worker, task: asyncio.Task[ToolCompletion | None]) -> None:
        """Look after a worker as long as its task runs."""
        ...


class Helper:
    """One call and the sub-agent that works on it."""

    def __init__(self) -> None:
        self.member: Member | None = None
        self.worker: Worker | None = None
        self.cancelled = False
        self.task: asyncio.Task[ToolCompletion | None]

    def cancel(self) -> None:
        """End the sub-agent as cancelled, also one that has not begun."""
        self.cancelled = True
        if self.worker is not None:
            self.worker.cancel()


class Delegations:
    """Sub-agents work on when whoever waits for one is cancelled, until `stop` or `drop`."""

    def __init__(
        self,
        store: Store,
        log: RunLog,
        member: Member,
        max_depth: int,
        crew: Crew,
        hire: Callable[[ClaimedRun, Member], Worker],
    ) -> None:
        self._store = store
        self._log = log
        self._member = member
        self._max_depth = max_depth
        self._crew = crew
        self._hire = hire
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._helpers: dict[str, Helper] = {}
        self._begun: dict[str, str] = {}
        self._leaving = False

    def offered_to(self, model: Model) -> bool:
        """Whether the run's model may delegate. The offline planner does not know how to."""
        return not model.offline and self._member.depth < self._max_depth

    def take_over(self, begun: Mapping[str, str]) -> None:
        """Sub-agents that an earlier worker of the run began, by their calls: they are continued, not begun again."""
        self._begun.update(begun)

    def has_begun(self, call_id: str) -> bool:
        """The call has a sub-agent."""
        return call_id in self._begun

    def waits_for_a_person(self, call_id: str) -> bool:
        """The call's sub-agent waits for nothing but a person's answer."""
        helper = self._helpers.get(call_id)
        return helper is not None and helper.worker is not None and helper.worker.waits_for_a_person

    async def run(self, asked: Asked, step: int, names: Sequence[str]) -> ToolCompletion | None:
        """Have a sub-agent do what the call asks for, with the tools of these names at most.

        None when it goes on elsewhere, together with the run. RUN_CLAIM_LOST, and UNAVAILABLE of the store.
        """
        task = self._start(asked.call_id, lambda: delegated_run(asked, self._member, step, names)).task
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            waiting = asyncio.current_task()
            if task.cancelled() and (waiting is None or not waiting.cancelling()):
                # Another has the sub-agent, and so the run.
                raise claim_lost(self._log.run.run_id) from None
            raise

    def take_in(self, call_id: str) -> bool:
        """Count what the call's sub-agent used as the run's own. True where there was one: the run's record is to be stored."""
        helper = self._helpers.pop(call_id, None)
        if helper is None or helper.member is None:
            return False
        self._member.take_in(helper.member)
        return True

    async def stop(self, call_ids: Iterable[str]) -> dict[str, ToolCompletion]:
        """End the sub-agents of these calls as cancelled; the completions of those that ended in time."""
        helpers = {call_id: self._start(call_id, None) for call_id in call_ids if self._is_known(call_id)}
        for helper in helpers.values():
            helper.cancel()
        if helpers:
            await asyncio.wait([helper.task for helper in helpers.values()], timeout=STOP_SECONDS)
        ends = {call_id: _result(helper.task) for call_id, helper in helpers.items()}
        return {call_id: end for call_id, end in ends.items() if end is not None}

    def leave(self) -> None:
        """Have every sub-agent stop before its next step: they go on elsewhere, together with the run."""
        self._leaving = True
        for helper in self._helpers.values():
            if helper.worker is not None:
                helper.worker.leave()

    async def drop(self) -> None:
        """Stop all work at once and leave the sub-agents as they are: they go on elsewhere."""
        tasks = [helper.task for helper in self._helpers.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_SECONDS)

    def _is_known(self, call_id: str) -> bool:
        return call_id in self._helpers or call_id in self._begun

    def _start(self, call_id: str, compose: Callable[[], Run] | None) -> Helper:
        """The work on a call, which is begun now unless it is under way."""
        if (helper := self._helpers.get(call_id)) is None:
            helper = self._helpers[call_id] = Helper()
            helper.task = asyncio.create_task(self._work(call_id, helper, compose), name=call_id)
        return helper

    async def _work(self, call_id: str, helper: Helper, compose: Callable[[], Run] | None) -> ToolCompletion | None:
        async with self._slots:
            if self._leaving:
                return None
            with self._crew.claiming():
                if call_id in self._begun:
                    claimed = await self._claim(self._begun[call_id], helper)
                elif compose is None or helper.cancelled:
                    return None
                else:
                    try:
                        child = compose()
                    except MeshError as error:
                        return ToolCompletion(outcome=ToolOutcome.TOOL_OUTCOME_FAILED, error=error.to_status())
                    claimed = await self._enqueue(call_id, child, helper)
                worker = self._employ(claimed, helper) if claimed is not None else None
            if worker is None:
                assert helper.member is not None
                return completion_of(helper.member.run)
            return await self._outcome(worker)

    async def _outcome(self, worker: Worker) -> ToolCompletion | None:
        if (ended := await worker.work()) is not None:
            return completion_of(ended)
        if not self._leaving:
            raise claim_lost(self._log.run.run_id)
        return None

    def _employ(self, claimed: ClaimedRun, helper: Helper) -> Worker:
        assert helper.member is not None
        worker = helper.worker = self._hire(claimed, helper.member)
        worker.renewed(self._log.held_until)
        if helper.cancelled:
            worker.cancel()
        if self._leaving:
            worker.leave()
        self._crew.engage(worker, helper.task)
        return worker

    async def _enqueue(self, call_id: str, child: Run, helper: Helper) -> ClaimedRun:
        helper.member = Member(child, self._member)
        composer = Composer(
            child.session_id, child.run_id, traceparent=child.traceparent, agent_path=helper.member.path
        )
        queued = RunQueued(spec=child.spec, parent_run_id=child.parent_run_id, parent_call_id=call_id)
        claimed = await self._store.enqueue_child(self._log.claim, child, [composer.draft(run_queued=queued)])
        self._begun[call_id] = child.run_id
        helper.member.run = claimed.run
        return claimed

    async def _claim(self, run_id: str, helper: Helper) -> ClaimedRun | None:
        """Continue a sub-agent; None where it has ended before its call could be closed."""
        try:
            claimed = await self._store.claim_child(self._log.claim, run_id)
        except MeshError as error:
            if error.reason != reasons.ERROR_REASON_RUN_FINISHED:
                raise
            ended = await self._store.get_run(self._log.principal, self._log.run.session_id, run_id)
            helper.member = Member(ended, self._member)
            return None
        helper.member = Member(claimed.run, self._member)
        return claimed


def _result(task: asyncio.Task[ToolCompletion | None]) -> ToolCompletion | None:
    if not task.done() or task.cancelled() or task.exception() is not None:
        return None
    return task.result()
