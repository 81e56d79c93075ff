"""The shared store as a `Store`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

import structlog

from meshwright.serving.errors import MeshError
from meshwright.store.interface import (
    NO_QUOTAS,
    ApprovalSettled,
    CancelRequested,
    Claim,
    ClaimedRun,
    Draft,
    Drafts,
    InputDelivered,
    Once,
    Page,
    Quotas,
    Retention,
    RunWaiting,
    SessionDeleted,
    SettledApproval,
    Signal,
)
from meshwright.store.live import Subscription
from meshwright.store.redis import approvals, children, claims, keys, runs, sessions, signals, trimming
from meshwright.store.redis.connection import (
    READ_RETRIES,
    SERVER_FAILURES,
    Client,
    answered,
    connect,
    place_of,
    unavailable,
)
from meshwright.store.redis.follower import Follower
from meshwright.store.redis.plan import Plan, count_usage, now
from meshwright.store.redis.quotas import Tokens, give_back_runs, reserve_run, reserve_session
from meshwright.store.redis.requests import once as once_only
from meshwright.store.redis.writer import Change, Outcome, Writer
from meshwright.store.refusals import (
    InputsWaitingError,
    StoreUnreachableError,
    TrimmedError,
    claim_lost,
    session_not_found,
)
from meshwright.store.stored_event import StoredEvent, place
from meshwright.store.usage import usage_in
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.event_pb2 import Approval, ApprovalResolved
from meshwright.v1.run_pb2 import Run, RunState
from meshwright.v1.session_pb2 import Session

log = structlog.get_logger(__name__)
MAX_MOVES = 64
"""A change that was overtaken so many times gives up."""
READ_PIECE = 1000


class RedisStore:
    """A store on a server that any number of replicas share. Open it with `RedisStore.open`."""

    def __init__(self, url: str) -> None:
        self._client: Client = connect(url, retries=READ_RETRIES)
        self._changing: Client = connect(url)
        self._writer = Writer(self._changing)
        self._listener: Callable[[Signal], None] = lambda signal: None
        self._follower = Follower(self._changing, self._writer.name, self._read_log, self._last_sequence, self._take)
        self._background: set[asyncio.Task[None]] = set()
        self._tokens = Tokens(self._client)

    @classmethod
    async def open(cls, url: str) -> RedisStore:
        """Connect.

        Raises:
            StoreUnreachableError: the address cannot be read, or nobody answers there.
        """
        try:
            store = cls(url)
        except ValueError as error:
            raise StoreUnreachableError(
                "MESHWRIGHT_STORE_URL is not an address of a store: redis://host:port/0, rediss://, unix:///path or redis+cluster://."
            ) from error
        try:
            await store._client.ping()
        except SERVER_FAILURES as error:
            await store._disconnect()
            raise StoreUnreachableError(
                f"No Redis or Valkey can be used at {place_of(url)} ({type(error).__name__}). Start it, or correct "
                "MESHWRIGHT_STORE_URL; without it the store is a file."
            ) from error
        store._follower.start()
        return store

    async def create_session(self, session: Session, once: Once | None, quotas: Quotas = NO_QUOTAS) -> Session:
        """See Store."""
        principal = session.principal

        async def carry_out(session_id: str, answer_key: str) -> Session:
            await reserve_session(self._client, principal, session_id, quotas)
            outcome = await self._change(session_id, sessions.creation(session, session_id), answer_key=answer_key)
            return Session.FromString(outcome.answer)

        return await once_only(self._client, principal, session.session_id, once, carry_out, Session.FromString)

    async def get_session(self, principal: str, session_id: str) -> Session:
        """See Store."""
        return await sessions.get(self._client, principal, session_id)

    async def list_sessions(self, principal: str, page: Page) -> list[tuple[Session, tuple[int, int]]]:
        """See Store."""
        return await sessions.list_page(self._client, principal, page)

    async def delete_session(self, principal: str, session_id: str, once: Once | None) -> None:
        """See Store."""
        signal = SessionDeleted(session_id)

        def settle(outcome: Outcome, _: Change) -> Outcome:
            if outcome.code == "session" and not outcome.again:
                raise session_not_found(session_id)
            return outcome

        async def carry_out(session_id: str, answer_key: str) -> None:
            await runs.check_owner(self._client, principal, session_id)
            unfinished = await answered(self._client.zrange(keys.open_runs(session_id), 0, -1))
            plan = sessions.deletion(principal, self._encoded(signal))
            outcome = await self._writer.submit(session_id, lambda: Change(plan), settle, answer_key)
            await answered(self._client.zrem(keys.sessions(principal), session_id))
            await give_back_runs(self._client, principal, session_id, [run_id.decode() for run_id in unfinished])
            await answered(self._client.zrem(keys.SCHEDULE, session_id))
            if outcome.code != "answered":
                self._take(signal)

        await once_only(self._client, principal, session_id, once, carry_out, lambda answer: None)

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

        async def attempt() -> tuple[Plan, Sequence[Draft]]:
            return await runs.enqueueing(self._client, principal, run, reject_if_busy=reject_if_busy), drafts

        async def carry_out(session_id: str, answer_key: str) -> Run:
            await runs.check_owner(self._client, principal, session_id)
            await self._tokens.check(principal, quotas)
            await reserve_run(self._client, principal, session_id, run.run_id, quotas)
            try:
                await claims.announce(self._client, session_id)
                outcome = await self._change_what_was_read(session_id, attempt, answer_key)
            except MeshError as refusal:
                # Without an answer nobody knows whether it was stored; if it was not, the place is found free later.
                if refusal.reason != reasons.ERROR_REASON_UNAVAILABLE:
                    await give_back_runs(self._client, principal, session_id, [run.run_id])
                raise
            stored = Run.FromString(outcome.answer)
            if stored.run_id != run.run_id:
                await give_back_runs(self._client, principal, session_id, [run.run_id])
            await self._schedule(principal, session_id)
            return stored

        return await once_only(self._client, principal, run.session_id, once, carry_out, Run.FromString)

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

        async def carry_out(session_id: str, answer_key: str) -> Run:
            signal: CancelRequested | None = None

            async def attempt() -> tuple[Plan, Sequence[Draft]]:
                nonlocal signal
                found = await runs.find(self._client, principal, session_id, run_id)
                active = found.run.state == RunState.RUN_STATE_ACTIVE
                asked = CancelRequested(session_id, found.run.run_id)
                signal = asked if active else None
                return runs.cancelling(principal, found, settle, self._encoded(asked))

            outcome = await self._change_what_was_read(session_id, attempt, answer_key)
            if signal is not None and outcome.code == "done":
                self._take(signal)
            run = Run.FromString(outcome.answer)
            if run.state == RunState.RUN_STATE_FINISHED:
                await give_back_runs(self._client, principal, session_id, [run.run_id])
            return run

        return await once_only(self._client, principal, session_id, once, carry_out, Run.FromString)

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

        async def carry_out(session_id: str, answer_key: str) -> Run:
            async def attempt() -> tuple[Plan, Sequence[Draft]]:
                found = await runs.find(self._client, principal, session_id, run_id)
                signal = InputDelivered(session_id, found.run.run_id, interrupt)
                return runs.delivering(principal, found, compose, self._encoded(signal))

            outcome = await self._change_what_was_read(session_id, attempt, answer_key)
            run = Run.FromString(outcome.answer)
            if outcome.code == "done":
                self._take(InputDelivered(session_id, run.run_id, interrupt))
            return run

        return await once_only(self._client, principal, session_id, once, carry_out, Run.FromString)

    async def resolve_approval(
        self,
        principal: str,
        session_id: str,
        approval_id: str,
        once: Once | None,
        decide: Callable[[Approval], tuple[ApprovalResolved, Draft]],
    ) -> SettledApproval:
        """See Store."""

        async def carry_out(session_id: str, answer_key: str) -> None:
            signal: ApprovalSettled | None = None

            async def attempt() -> tuple[Plan, Sequence[Draft]]:
                nonlocal signal
                found = await approvals.get(self._client, principal, session_id, approval_id)
                settled = ApprovalSettled(session_id, found.approval.run_id, approval_id)
                signal = settled if found.resolution is None else None
                return approvals.settling(principal, found, decide, self._encoded(settled))

            outcome = await self._change_what_was_read(session_id, attempt, answer_key)
            if signal is not None and outcome.code == "done":
                self._take(signal)

        await once_only(self._client, principal, session_id, once, carry_out, lambda answer: None)
        return await approvals.get(self._client, principal, session_id, approval_id)

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
        return await self._tokens.today(principal)

    async def claim_run(self, owner: str, lease_seconds: float) -> ClaimedRun | None:
        """See Store."""
        return await claims.claim(self._client, self._code_of, owner, int(lease_seconds * 1_000_000))

    async def claimable_runs(self) -> int:
        """See Store."""
        return await claims.claimable(self._client)

    async def enqueue_child(self, claim: Claim, run: Run, drafts: Sequence[Draft]) -> ClaimedRun:
        """See Store."""
        claimed, plan = await children.enqueueing(self._client, claim, run)
        outcome = await self._change(claim.session_id, plan, drafts)
        if outcome.code != "done":
            raise claim_lost(claim.run_id)
        claimed.run.first_sequence = outcome.first
        return claimed

    async def claim_child(self, claim: Claim, run_id: str) -> ClaimedRun:
        """See Store."""
        for _ in range(MAX_MOVES):
            claimed, plan = await children.claiming(self._client, claim, run_id)
            code = await self._code_of(claim.session_id, plan)
            if code == "claim":
                raise claim_lost(claim.run_id)
            if code == "done":
                return claimed
        raise unavailable("The session changes faster than the store can follow.")

    async def release_claims(self, held: Sequence[Claim]) -> None:
        """See Store."""
        await claims.release(self._client, self._code_of, held)
        await answered(self._client.publish(keys.SIGNALS, self._encoded(RunWaiting())))
        self._take(RunWaiting())

    async def renew_claims(self, claims_held: Sequence[Claim], lease_seconds: float) -> list[Claim]:
        """See Store."""
        return await claims.renew(self._code_of, claims_held, int(lease_seconds * 1_000_000))

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
            events = self._appended(claim.session_id, outcome, change.drafts)
            if run is not None:
                self._tokens.count(claim.principal, run)
            if run is not None and ended:
                ends = [event for event in events if event.kind == runs.RUN_FINISHED]
                run.finish_sequence = ends[0].sequence
                self._later(self._make_room(claim))
            return events

        return self._writer.submit(claim.session_id, compose, settle)

    async def append_to_session(self, session_id: str, drafts: Sequence[Draft]) -> None:
        """See Store."""
        plan = Plan(absent="session")
        count_usage(plan, usage_in(drafts))
        await self._change(session_id, plan, drafts)
        principal = await answered(self._client.hget(keys.state(session_id), "principal"))
        if principal is not None:
            await self._touch(principal.decode(), session_id)

    async def read(
        self, session_id: str, after_sequence: int, limit: int, kinds: Sequence[int] = ()
    ) -> list[StoredEvent]:
        """See Store."""
        await self._follower.joined(session_id)
        if not kinds:
            return await self._read_log(session_id, after_sequence, limit)
        chosen: list[StoredEvent] = []
        while len(chosen) < limit:
            events = await self._read_log(session_id, after_sequence, READ_PIECE)
            chosen += [event for event in events if event.kind in kinds]
            if len(events) < READ_PIECE:
                break
            after_sequence = events[-1].sequence
        return chosen[:limit]

    async def trim(self, session_id: str, retention: Retention) -> int:
        """See Store."""
        return await trimming.trim(self._client, self._code_of, session_id, retention)

    async def trim_all(self, retention: Retention) -> int:
        """See Store."""
        removed = 0
        async with aclosing(trimming.sessions_to_trim(self._client, self._writer.name)) as found:
            async for session_id in found:
                removed += await self.trim(session_id, retention)
        return removed

    def subscribe(self, session_id: str) -> Subscription:
        """See Store."""
        return self._follower.subscribe(session_id)

    async def followed(self, session_id: str) -> bool:
        """See Store."""
        ((_, replicas),) = await answered(self._client.pubsub_numsub(keys.live(session_id)))
        return self._follower.subscriptions.followed(session_id) or replicas > 0

    def listen(self, listener: Callable[[Signal], None]) -> None:
        """See Store."""
        self._listener = listener

    async def close(self) -> None:
        """See Store."""
        await self._follower.close()
        await self._writer.close()
        await self._tokens.close()
        if self._background:
            await asyncio.wait(self._background)
        await self._disconnect()

    async def _disconnect(self) -> None:
        await self._client.aclose()
        await self._changing.aclose()

    async def _read_log(self, session_id: str, after_sequence: int, limit: int) -> list[StoredEvent]:
        rows = await answered(self._client.xrange(keys.log(session_id), f"{after_sequence + 1}-0", "+", limit))
        events = [
            place(int(entry[: entry.index(b"-")]), int(fields[b"k"]), fields[b"r"].decode(), fields[b"p"])
            for entry, fields in rows
        ]
        # Sequences have no gaps, so nothing but trimming can have made one.
        if not events or events[0].sequence > after_sequence + 1:
            first = await trimming.first_sequence(self._client, session_id)
            if after_sequence + 1 < first:
                raise TrimmedError(first)
        return events

    async def _last_sequence(self, session_id: str) -> int:
        return int(await answered(self._client.hget(keys.state(session_id), "last")) or 0)

    def _appended(self, session_id: str, outcome: Outcome, drafts: Sequence[Draft]) -> list[StoredEvent]:
        events = [place(sequence, *draft) for sequence, draft in enumerate(drafts, outcome.first)]
        self._follower.arrive(session_id, events)
        return events

    def _change(
        self, session_id: str, plan: Plan, drafts: Sequence[Draft] = (), answer_key: str = ""
    ) -> asyncio.Future[Outcome]:
        """Carry out a plan. SESSION_NOT_FOUND; a plan that was overtaken has the outcome `moved`."""

        def settle(outcome: Outcome, _: Change) -> Outcome:
            if outcome.code == "session":
                raise session_not_found(session_id)
            if outcome.code == "done" and drafts:
                self._appended(session_id, outcome, drafts)
            return outcome

        return self._writer.submit(session_id, lambda: Change(plan, drafts), settle, answer_key)

    async def _change_what_was_read(
        self, session_id: str, attempt: Callable[[], Awaitable[tuple[Plan, Sequence[Draft]]]], answer_key: str
    ) -> Outcome:
        """Read, plan and change, again whenever what was read has moved."""
        for _ in range(MAX_MOVES):
            plan, drafts = await attempt()
            outcome = await self._change(session_id, plan, drafts, answer_key)
            if outcome.code != "moved":
                return outcome
        raise unavailable("The session changes faster than the store can follow.")

    async def _code_of(self, session_id: str, plan: Plan) -> str:
        return await self._writer.submit(session_id, lambda: Change(plan), lambda outcome, _: outcome.code)

    def _encoded(self, signal: Signal) -> bytes:
        return signals.encode(self._writer.name, signal)

    def _take(self, signal: Signal) -> None:
        if isinstance(signal, SessionDeleted):
            self._follower.subscriptions.end_session(signal.session_id, session_not_found(signal.session_id))
        self._listener(signal)

    async def _touch(self, principal: str, session_id: str) -> None:
        """Say that the session was used, unless it was deleted meanwhile."""
        await answered(self._client.zadd(keys.sessions(principal), {session_id: now()}, xx=True))

    async def _touch_whosever(self, session_id: str) -> None:
        principal = await answered(self._client.hget(keys.state(session_id), "principal"))
        if principal is not None:
            await self._touch(principal.decode(), session_id)

    async def _schedule(self, principal: str, session_id: str) -> None:
        """Have somebody look whether a run of the session can be claimed."""
        await claims.schedule(self._client, session_id)
        await self._touch(principal, session_id)
        await answered(self._client.publish(keys.SIGNALS, self._encoded(RunWaiting())))
        self._take(RunWaiting())

    async def _make_room(self, claim: Claim) -> None:
        """A run has ended: others may begin."""
        await self._schedule(claim.principal, claim.session_id)
        await give_back_runs(self._client, claim.principal, claim.session_id, [claim.run_id])

    def _later(self, work: Awaitable[None]) -> None:
        """Do what needs no answer."""
        task = asyncio.create_task(_leniently(work))
        self._background.add(task)
        task.add_done_callback(self._background.discard)


async def _leniently(work: Awaitable[None]) -> None:
    """Do what follows a change that was made: if it fails, the end of a lease or the next such change makes up for it."""
    try:
        await work
    except MeshError as error:
        log.warning("store.afterwards_failed", reason=error.reason_name)
