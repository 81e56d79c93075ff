"""The shared store as a `Store`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing

from meshwright.store.interface import (
    NO_QUOTAS,
    NOTHING_KNOWN,
    Claim,
    ClaimedRun,
    Draft,
    Drafts,
    Once,
    Page,
    Quotas,
    Renewal,
    Retention,
    SettledApproval,
    Signal,
)
from meshwright.store.live import Subscription
from meshwright.store.redis import approvals, asked, children, claims, keys, runs, schedules, sessions, trimming
from meshwright.store.redis.connection import answered, unavailable
from meshwright.store.redis.first_contact import ADDRESSES, check_address, problem_of
from meshwright.store.redis.plan import Plan, count_usage
from meshwright.store.redis.quotas import give_back_runs
from meshwright.store.redis.replica import MAX_MOVES, Replica, leniently
from meshwright.store.redis.schedules import STABLE
from meshwright.store.redis.writer import Change, Outcome
from meshwright.store.refusals import (
    InputsWaitingError,
    StoreUnusableError,
    claim_lost,
)
from meshwright.store.stored_event import StoredEvent
from meshwright.store.usage import usage_in
from meshwright.v1.event_pb2 import Approval, ApprovalResolved
from meshwright.v1.run_pb2 import Run, RunState, Track
from meshwright.v1.session_pb2 import Session

READ_PIECE = 1000


class RedisStore:
    """A store on a server that any number of replicas share. Open it with `RedisStore.open`."""

    def __init__(self, url: str, replica: Replica) -> None:
        self._url = url
        self._replica = replica
        self._client = replica.client

    @classmethod
    async def open(cls, url: str) -> RedisStore:
        """The store at the address. Whether somebody answers there `problem` tells; until somebody does, all is UNAVAILABLE.

        Raises:
            StoreUnusableError: the address cannot be read, or what answers there is nothing that can be used.
        """
        try:
            check_address(url)
            store = cls(url, Replica(url))
        except ValueError as error:
            raise StoreUnusableError(f"MESHWRIGHT_STORE_URL is not an address of a store: {ADDRESSES}") from error
        try:
            await store.problem()
        except StoreUnusableError:
            await store._replica.disconnect()
            raise
        return store

    async def problem(self) -> str:
        """See Store."""
        problem = await problem_of(self._replica.once, self._url)
        if not problem:
            self._replica.follower.start()
        return problem

    async def create_session(self, session: Session, once: Once | None, quotas: Quotas = NO_QUOTAS) -> Session:
        """See Store."""
        return await asked.create_session(self._replica, session, once, quotas)

    async def get_session(self, principal: str, session_id: str) -> Session:
        """See Store."""
        return await sessions.get(self._client, principal, session_id)

    async def list_sessions(self, principal: str, page: Page) -> list[tuple[Session, tuple[int, int]]]:
        """See Store."""
        return await sessions.list_page(self._client, principal, page)

    async def delete_session(self, principal: str, session_id: str, once: Once | None) -> None:
        """See Store."""
        await asked.delete_session(self._replica, principal, session_id, once)

    async def enqueue_run(
        self,
        principal: str,
        run: Run,
        drafts: Sequence[Draft],
        once: Once | None,
        *,
        reject_if_busy: bool,
        quotas: Quotas = NO_QUOTAS,
    ) -> Run:
        """See Store."""
        return await asked.enqueue_run(
            self._replica, principal, run, drafts, once, reject_if_busy=reject_if_busy, quotas=quotas
        )

    async def get_run(self, principal: str, session_id: str, run_id: str) -> Run:
        """See Store."""
        return (await runs.find(self._client, principal, session_id, run_id)).run

    async def list_runs(self, principal: str, session_id: str, page: Page) -> list[tuple[Run, tuple[int, int]]]:
        """See Store."""
        return await runs.list_page(self._client, principal, session_id, page)

    async def cancel_run(
        self,
        principal: str,
        session_id: str,
        run_id: str,
        once: Once | None,
        settle: Callable[[Run], tuple[Run, Draft]],
    ) -> Run:
        """See Store."""
        return await asked.cancel_run(self._replica, principal, session_id, run_id, once, settle)

    async def deliver_input(
        self,
        principal: str,
        session_id: str,
        run_id: str,
        once: Once | None,
        compose: Callable[[Run], Draft],
        *,
        interrupt: bool,
    ) -> Run:
        """See Store."""
        return await asked.deliver_input(
            self._replica, principal, session_id, run_id, once, compose, interrupt=interrupt
        )

    async def resolve_approval(
        self,
        principal: str,
        session_id: str,
        approval_id: str,
        once: Once | None,
        decide: Callable[[Approval], tuple[ApprovalResolved, Draft]],
    ) -> SettledApproval:
        """See Store."""
        return await asked.resolve_approval(self._replica, principal, session_id, approval_id, once, decide)

    async def get_approval(self, principal: str, session_id: str, approval_id: str) -> SettledApproval:
        """See Store."""
        return await approvals.get(self._client, principal, session_id, approval_id)

    async def list_approvals(
        self, principal: str, session_id: str, page: Page, *, pending_only: bool
    ) -> list[tuple[Approval, tuple[int, int]]]:
        """See Store."""
        return await approvals.list_page(self._client, principal, session_id, page, pending_only=pending_only)

    async def tokens_today(self, principal: str) -> int:
        """See Store."""
        return await self._replica.tokens.today(principal)

    async def claim_run(self, owner: str, lease_seconds: float, track: Track.ValueType = STABLE) -> ClaimedRun | None:
        """See Store."""
        replica, micros = self._replica, int(lease_seconds * 1_000_000)
        return await claims.Claimant(self._client, replica.code_of, replica.wake, track, owner, micros).claim()

    async def claimable_runs(self, track: Track.ValueType = STABLE) -> int:
        """See Store."""
        return await schedules.count_due(self._client, track)

    async def enqueue_child(self, claim: Claim, run: Run, drafts: Sequence[Draft]) -> ClaimedRun:
        """See Store."""
        claimed, plan = await children.enqueueing(self._client, claim, run)
        outcome = await self._replica.change(claim.session_id, plan, drafts)
        if outcome.code != "done":
            raise claim_lost(claim.run_id)
        claimed.run.first_sequence = outcome.first
        return claimed

    async def claim_child(self, claim: Claim, run_id: str) -> ClaimedRun:
        """See Store."""
        for _ in range(MAX_MOVES):
            claimed, plan = await children.claiming(self._client, claim, run_id)
            code = await self._replica.code_of(claim.session_id, plan)
            if code == "claim":
                raise claim_lost(claim.run_id)
            if code == "done":
                return claimed
        raise unavailable("The session changes faster than the store can follow.")

    async def release_claims(self, held: Sequence[Claim]) -> None:
        """See Store."""
        await claims.release(self._client, self._replica.code_of, held)
        await self._replica.wake()

    async def renew_claims(
        self, claims_held: Sequence[Claim], lease_seconds: float, inputs_known: Mapping[Claim, int] = NOTHING_KNOWN
    ) -> Renewal:
        """See Store."""
        return await claims.renew(self._replica.code_of, claims_held, int(lease_seconds * 1_000_000), inputs_known)

    def append(
        self, claim: Claim, drafts: Drafts, run: Run | None = None, *, inputs_seen: int | None = None
    ) -> asyncio.Future[list[StoredEvent]]:
        """See Store."""
        ended = run is not None and run.state == RunState.RUN_STATE_FINISHED

        def compose() -> Change:
            composed = drafts() if callable(drafts) else drafts
            return Change(runs.appending(claim, composed, run, inputs_seen), composed)

        def settle(outcome: Outcome, change: Change) -> list[StoredEvent]:
            if outcome.code == "inputs":
                raise InputsWaitingError(claim.run_id)
            if outcome.code != "done":
                raise claim_lost(claim.run_id)
            events = self._replica.appended(claim.session_id, outcome, change.drafts)
            if run is not None:
                self._replica.tokens.count(claim.principal, run)
            if run is not None and ended:
                ends = [event for event in events if event.kind == runs.RUN_FINISHED]
                run.finish_sequence = ends[0].sequence
                self._replica.later(self._make_room(claim, run.track))
            return events

        return self._replica.writer.submit(claim.session_id, compose, settle)

    async def append_to_session(self, session_id: str, drafts: Sequence[Draft]) -> None:
        """See Store."""
        plan = Plan(absent="session")
        count_usage(plan, usage_in(drafts))
        await self._replica.change(session_id, plan, drafts)
        await leniently(self._touch(session_id))

    async def read(
        self, session_id: str, after_sequence: int, limit: int, kinds: Sequence[int] = ()
    ) -> list[StoredEvent]:
        """See Store."""
        await self._replica.follower.joined(session_id)
        if not kinds:
            return await self._replica.read_log(session_id, after_sequence, limit)
        chosen: list[StoredEvent] = []
        while len(chosen) < limit:
            events = await self._replica.read_log(session_id, after_sequence, READ_PIECE)
            chosen += [event for event in events if event.kind in kinds]
            if len(events) < READ_PIECE:
                break
            after_sequence = events[-1].sequence
        return chosen[:limit]

    async def trim(self, session_id: str, retention: Retention) -> int:
        """See Store."""
        return await trimming.trim(self._client, self._replica.code_of, session_id, retention)

    async def trim_all(self, retention: Retention) -> int:
        """See Store."""
        removed = 0
        async with aclosing(trimming.sessions_to_trim(self._client, self._replica.writer.name)) as found:
            async for session_id in found:
                removed += await self.trim(session_id, retention)
        return removed

    def subscribe(self, session_id: str) -> Subscription:
        """See Store."""
        return self._replica.follower.subscribe(session_id)

    async def followed(self, session_id: str) -> bool:
        """See Store."""
        if self._replica.follower.subscriptions.followed(session_id):
            return True
        listeners: int = await answered(self._client.listeners(keys.live(session_id)))
        return listeners > 0

    def listen(self, listener: Callable[[Signal], None]) -> None:
        """See Store."""
        self._replica.listener = listener

    async def close(self) -> None:
        """See Store."""
        await self._replica.close()

    async def _touch(self, session_id: str) -> None:
        principal = await answered(self._client.hget(keys.state(session_id), "principal"))
        if principal is not None:
            await self._replica.touch(principal.decode(), session_id)

    async def _make_room(self, claim: Claim, track: Track.ValueType) -> None:
        """A run has ended: others may begin."""
        await schedules.run_left(self._client, claim.session_id, track)
        await self._replica.work_waits(claim.principal, claim.session_id)
        await give_back_runs(self._client, claim.principal, claim.session_id, [claim.run_id])
