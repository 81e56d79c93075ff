"""What callers ask for: each carried out once under its request id."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from meshwright.serving.errors import MeshError
from meshwright.store.interface import (
    ApprovalSettled,
    CancelRequested,
    Draft,
    InputDelivered,
    Once,
    Quotas,
    SessionDeleted,
    SettledApproval,
    Signal,
)
from meshwright.store.redis import approvals, keys, runs, schedules, sessions
from meshwright.store.redis.connection import answered
from meshwright.store.redis.plan import Plan
from meshwright.store.redis.quotas import give_back_runs, reserve_run, reserve_session
from meshwright.store.redis.replica import Replica
from meshwright.store.redis.requests import once as once_only
from meshwright.store.redis.writer import Change, Outcome
from meshwright.store.refusals import session_not_found
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.event_pb2 import Approval, ApprovalResolved
from meshwright.v1.run_pb2 import Run, RunState
from meshwright.v1.session_pb2 import Session

_Attempt: TypeAlias = tuple[Plan, Sequence[Draft], Signal | None]
"""What is to be done, and what to tell about it."""


async def create_session(replica: Replica, session: Session, once: Once | None, quotas: Quotas) -> Session:
    """Make a session. See Store, as for all here."""
    principal = session.principal

    async def carry_out(session_id: str, answer_key: str) -> Session:
        await reserve_session(replica.client, principal, session_id, quotas)
        outcome = await replica.change(session_id, sessions.creation(session, session_id), answer_key=answer_key)
        return Session.FromString(outcome.answer)

    return await once_only(replica.client, principal, session.session_id, once, carry_out, Session.FromString)


async def delete_session(replica: Replica, principal: str, session_id: str, once: Once | None) -> None:
    """Remove a session."""
    signal = SessionDeleted(session_id)

    def settle(outcome: Outcome, _: Change) -> Outcome:
        if outcome.code == "session" and not outcome.again:
            raise session_not_found(session_id)
        return outcome

    async def carry_out(session_id: str, answer_key: str) -> None:
        await runs.check_owner(replica.client, principal, session_id)
        unfinished = await answered(replica.client.zrange(keys.open_runs(session_id), 0, -1))
        plan = sessions.deletion(principal, replica.encoded(signal))
        outcome = await replica.writer.submit(session_id, lambda: Change(plan), settle, answer_key)
        await answered(replica.client.zrem(keys.sessions(principal), session_id))
        await give_back_runs(replica.client, principal, session_id, [run_id.decode() for run_id in unfinished])
        await schedules.forget(replica.client, session_id)
        if outcome.code != "answered":
            replica.take(signal)

    await once_only(replica.client, principal, session_id, once, carry_out, lambda answer: None)


async def enqueue_run(
    replica: Replica,
    principal: str,
    run: Run,
    drafts: Sequence[Draft],
    once: Once | None,
    *,
    reject_if_busy: bool,
    quotas: Quotas,
) -> Run:
    """Put a run behind the session's others."""

    async def attempt() -> tuple[Plan, Sequence[Draft]]:
        return await runs.enqueueing(replica.client, principal, run, reject_if_busy=reject_if_busy), drafts

    async def carry_out(session_id: str, answer_key: str) -> Run:
        await runs.check_owner(replica.client, principal, session_id)
        await replica.tokens.check(principal, quotas)
        await reserve_run(replica.client, principal, session_id, run.run_id, quotas)
        try:
            await schedules.announce(replica.client, session_id)
            outcome = await replica.change_what_was_read(session_id, attempt, answer_key)
        except MeshError as refusal:
            # Without an answer nobody knows whether it was stored; if it was not, the place is found free later.
            if refusal.reason != reasons.ERROR_REASON_UNAVAILABLE:
                await give_back_runs(replica.client, principal, session_id, [run.run_id])
            raise
        stored = Run.FromString(outcome.answer)
        if stored.run_id != run.run_id:
            await give_back_runs(replica.client, principal, session_id, [run.run_id])
        await schedules.run_came(replica.client, session_id, stored.track)
        await replica.work_waits(principal, session_id)
        return stored

    return await once_only(replica.client, principal, run.session_id, once, carry_out, Run.FromString)


async def cancel_run(
    replica: Replica,
    principal: str,
    session_id: str,
    run_id: str,
    once: Once | None,
    settle: Callable[[Run], tuple[Run, Draft]],
) -> Run:
    """Ask for a run's end, or end one that has not begun."""

    async def carry_out(session_id: str, answer_key: str) -> Run:
        async def attempt() -> _Attempt:
            found = await runs.find(replica.client, principal, session_id, run_id)
            signal = CancelRequested(session_id, found.run.run_id)
            plan, drafts = runs.cancelling(principal, found, settle, replica.encoded(signal))
            return plan, drafts, signal if found.run.state == RunState.RUN_STATE_ACTIVE else None

        outcome = await _change_and_tell(replica, session_id, attempt, answer_key)
        run = Run.FromString(outcome.answer)
        if run.state == RunState.RUN_STATE_FINISHED:
            await give_back_runs(replica.client, principal, session_id, [run.run_id])
        return run

    return await once_only(replica.client, principal, session_id, once, carry_out, Run.FromString)


async def deliver_input(
    replica: Replica,
    principal: str,
    session_id: str,
    run_id: str,
    once: Once | None,
    compose: Callable[[Run], Draft],
    *,
    interrupt: bool,
) -> Run:
    """Give a run an input."""

    async def carry_out(session_id: str, answer_key: str) -> Run:
        async def attempt() -> _Attempt:
            found = await runs.find(replica.client, principal, session_id, run_id)
            signal = InputDelivered(session_id, found.run.run_id, interrupt)
            return *runs.delivering(principal, found, compose, replica.encoded(signal)), signal

        outcome = await _change_and_tell(replica, session_id, attempt, answer_key)
        return Run.FromString(outcome.answer)

    return await once_only(replica.client, principal, session_id, once, carry_out, Run.FromString)


async def resolve_approval(
    replica: Replica,
    principal: str,
    session_id: str,
    approval_id: str,
    once: Once | None,
    decide: Callable[[Approval], tuple[ApprovalResolved, Draft]],
) -> SettledApproval:
    """Settle an approval."""

    async def carry_out(session_id: str, answer_key: str) -> None:
        async def attempt() -> _Attempt:
            found = await approvals.get(replica.client, principal, session_id, approval_id)
            signal = ApprovalSettled(session_id, found.approval.run_id, approval_id)
            plan, drafts = approvals.settling(principal, found, decide, replica.encoded(signal))
            return plan, drafts, signal if found.resolution is None else None

        await _change_and_tell(replica, session_id, attempt, answer_key)

    await once_only(replica.client, principal, session_id, once, carry_out, lambda answer: None)
    return await approvals.get(replica.client, principal, session_id, approval_id)


async def _change_and_tell(
    replica: Replica, session_id: str, attempt: Callable[[], Awaitable[_Attempt]], answer_key: str
) -> Outcome:
    """Carry out what an attempt plans. Its signal, which other replicas get with the change, is heard here once that is done."""
    signal: Signal | None = None

    async def planned() -> tuple[Plan, Sequence[Draft]]:
        nonlocal signal
        plan, drafts, signal = await attempt()
        return plan, drafts

    outcome = await replica.change_what_was_read(session_id, planned, answer_key)
    if signal is not None and outcome.code == "done":
        replica.take(signal)
    return outcome
