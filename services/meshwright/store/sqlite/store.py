"""The embedded store as a `Store`."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from meshwright.serving.errors import MeshError
from meshwright.store.interface import (
    NO_QUOTAS,
    NOTHING_KNOWN,
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
    Renewal,
    Retention,
    RunWaiting,
    SessionDeleted,
    SettledApproval,
    Signal,
)
from meshwright.store.live import LiveTails, Subscription
from meshwright.store.refusals import session_not_found
from meshwright.store.sqlite import approvals, claims, events, runs, sessions, trimming
from meshwright.store.sqlite.checkpoints import Checkpoints
from meshwright.store.sqlite.quotas import tokens_today
from meshwright.store.sqlite.schema import connect, prepare
from meshwright.store.sqlite.writer import Writer
from meshwright.store.stored_event import StoredEvent
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.event_pb2 import Approval, ApprovalResolved
from meshwright.v1.run_pb2 import Run, RunState, Track
from meshwright.v1.session_pb2 import Session

T = TypeVar("T")


class StoreInUseError(Exception):
    """Another process has the store open."""


class SqliteStore:
    """A store in one file, for one process. Open it with `SqliteStore.open`."""

    def __init__(
        self, write: sqlite3.Connection, read: sqlite3.Connection, checkpoints: Checkpoints, lock: int
    ) -> None:
        self._writer = Writer(write, checkpoints)
        self._reading = read
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="store-reader")
        self._lock = lock
        self._tails = LiveTails()
        self._listener: Callable[[Signal], None] = lambda signal: None

    @classmethod
    async def open(cls, path: Path) -> SqliteStore:
        """Open the store, making it if need be; runs that the last process left at work can be claimed at once.

        Raises:
            StoreInUseError: another process has it open.
        """
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(*await asyncio.to_thread(cls._open, path))

    @classmethod
    def _open(cls, path: Path) -> tuple[sqlite3.Connection, sqlite3.Connection, Checkpoints, int]:
        lock = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise StoreInUseError(
                f"Another Meshwright uses {path}. Stop it, or set MESHWRIGHT_DATA_DIR to another folder."
            ) from None
        write = connect(path)
        prepare(write)
        claims.release_all(write)
        return (write, connect(path, read_only=True), Checkpoints(path), lock)

    async def create_session(self, session: Session, once: Once | None, quotas: Quotas = NO_QUOTAS) -> Session:
        """See Store."""
        return await self._writer.submit(lambda c: sessions.create(c, session, once, quotas))

    async def get_session(self, principal: str, session_id: str) -> Session:
        """See Store."""
        return await self._read(partial(sessions.get, self._reading, principal, session_id))

    async def list_sessions(self, principal: str, page: Page) -> list[tuple[Session, tuple[int, int]]]:
        """See Store."""
        return await self._read(partial(sessions.list_page, self._reading, principal, page))

    async def delete_session(self, principal: str, session_id: str, once: Once | None) -> None:
        """See Store."""

        def committed(made: bool) -> None:
            if made:
                self._tails.end_session(session_id, session_not_found(session_id))
                self._listener(SessionDeleted(session_id))

        await self._writer.submit(lambda c: sessions.delete(c, principal, session_id, once), committed, long=True)

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

        def committed(changed: runs.Changed) -> None:
            self._tails.publish(run.session_id, changed.appended)
            if changed.signal:
                self._listener(RunWaiting())

        changed = await self._writer.submit(
            lambda c: runs.enqueue(c, principal, run, drafts, once, reject_if_busy, quotas), committed
        )
        return changed.run

    async def get_run(self, principal: str, session_id: str, run_id: str) -> Run:
        """See Store."""
        return await self._read(partial(runs.get, self._reading, principal, session_id, run_id))

    async def list_runs(self, principal: str, session_id: str, page: Page) -> list[tuple[Run, tuple[int, int]]]:
        """See Store."""
        return await self._read(partial(runs.list_page, self._reading, principal, session_id, page))

    async def cancel_run(
        self,
        principal: str,
        session_id: str,
        run_id: str,
        once: Once | None,
        settle: Callable[[Run], tuple[Run, Draft]],
    ) -> Run:
        """See Store."""

        def committed(changed: runs.Changed) -> None:
            if changed.appended:
                self._tails.publish(session_id, changed.appended)
            if changed.signal and changed.run.state == RunState.RUN_STATE_ACTIVE:
                self._listener(CancelRequested(session_id, changed.run.run_id))

        changed = await self._writer.submit(
            lambda c: runs.cancel(c, principal, session_id, run_id, once, settle), committed
        )
        return changed.run

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

        def committed(changed: runs.Changed) -> None:
            self._tails.publish(session_id, changed.appended)
            if changed.signal:
                self._listener(InputDelivered(session_id, changed.run.run_id, interrupt))

        changed = await self._writer.submit(
            lambda c: runs.deliver_input(c, principal, session_id, run_id, once, compose), committed
        )
        return changed.run

    async def resolve_approval(
        self,
        principal: str,
        session_id: str,
        approval_id: str,
        once: Once | None,
        decide: Callable[[Approval], tuple[ApprovalResolved, Draft]],
    ) -> SettledApproval:
        """See Store."""

        def committed(changed: approvals.Settled) -> None:
            if changed.appended:
                self._tails.publish(session_id, changed.appended)
                self._listener(ApprovalSettled(session_id, changed.settled.approval.run_id, approval_id))

        changed = await self._writer.submit(
            lambda c: approvals.resolve(c, principal, session_id, approval_id, once, decide), committed
        )
        return changed.settled

    async def get_approval(self, principal: str, session_id: str, approval_id: str) -> SettledApproval:
        """See Store."""
        return await self._read(partial(approvals.get, self._reading, principal, session_id, approval_id))

    async def list_approvals(
        self, principal: str, session_id: str, page: Page, *, pending_only: bool
    ) -> list[tuple[Approval, tuple[int, int]]]:
        """See Store."""
        return await self._read(partial(approvals.list_page, self._reading, principal, session_id, page, pending_only))

    async def tokens_today(self, principal: str) -> int:
        """See Store."""
        return await self._read(partial(tokens_today, self._reading, principal))

    async def claim_run(
        self, owner: str, lease_seconds: float, track: Track.ValueType = Track.TRACK_STABLE
    ) -> ClaimedRun | None:
        """See Store. Nobody else is here to take a run, so it is given whatever its track."""
        return await self._writer.submit(lambda c: claims.claim(c, owner, int(lease_seconds * 1_000_000)))

    async def claimable_runs(self, track: Track.ValueType = Track.TRACK_STABLE) -> int:
        """See Store."""
        return await self._read(partial(claims.claimable, self._reading))

    async def enqueue_child(self, claim: Claim, run: Run, drafts: Sequence[Draft]) -> ClaimedRun:
        """See Store."""
        claimed, _ = await self._writer.submit(
            lambda c: claims.enqueue_child(c, claim, run, drafts),
            lambda made: self._tails.publish(claim.session_id, made[1]),
        )
        return claimed

    async def claim_child(self, claim: Claim, run_id: str) -> ClaimedRun:
        """See Store."""
        return await self._writer.submit(lambda c: claims.claim_child(c, claim, run_id))

    async def release_claims(self, held: Sequence[Claim]) -> None:
        """See Store."""
        await self._writer.submit(lambda c: claims.release(c, held), lambda _: self._listener(RunWaiting()))

    async def renew_claims(
        self, held: Sequence[Claim], lease_seconds: float, inputs_known: Mapping[Claim, int] = NOTHING_KNOWN
    ) -> Renewal:
        """See Store."""
        micros = int(lease_seconds * 1_000_000)
        return await self._writer.submit(lambda c: claims.renew(c, held, micros, inputs_known))

    def append(
        self, claim: Claim, drafts: Drafts, run: Run | None = None, *, inputs_seen: int | None = None
    ) -> asyncio.Future[list[StoredEvent]]:
        """See Store."""

        def committed(appended: Sequence[StoredEvent]) -> None:
            self._tails.publish(claim.session_id, appended)
            if run is not None and run.state == RunState.RUN_STATE_FINISHED:
                self._listener(RunWaiting())

        composed: list[Draft] = []
        return self._writer.submit(
            lambda c: runs.append(c, claim, composed, run, inputs_seen),
            committed,
            compose=lambda: composed.extend(drafts() if callable(drafts) else drafts),
        )

    async def append_to_session(self, session_id: str, drafts: Sequence[Draft]) -> None:
        """See Store."""
        await self._writer.submit(
            lambda c: events.append_to_session(c, session_id, drafts),
            lambda appended: self._tails.publish(session_id, appended),
        )

    async def read(
        self, session_id: str, after_sequence: int, limit: int, kinds: Sequence[int] = ()
    ) -> list[StoredEvent]:
        """See Store."""
        return await self._read(partial(events.read, self._reading, session_id, after_sequence, limit, kinds))

    async def trim(self, session_id: str, retention: Retention) -> int:
        """See Store."""
        removed = await self._writer.submit(lambda c: trimming.advance(c, session_id, retention), long=True)
        while await self._writer.submit(lambda c: trimming.clear(c, session_id), long=True):
            pass
        return removed

    async def trim_all(self, retention: Retention) -> int:
        """See Store."""
        found = await self._read(partial(trimming.sessions_to_trim, self._reading, retention))
        return sum([await self.trim(session_id, retention) for session_id in found])

    def subscribe(self, session_id: str) -> Subscription:
        """See Store."""
        return self._tails.subscribe(session_id)

    async def followed(self, session_id: str) -> bool:
        """See Store."""
        return self._tails.followed(session_id)

    def listen(self, listener: Callable[[Signal], None]) -> None:
        """See Store."""
        self._listener = listener

    async def problem(self) -> str:
        """See Store."""
        return ""

    async def close(self) -> None:
        """See Store."""
        self._tails.end_all(
            MeshError(reasons.ERROR_REASON_UNAVAILABLE, "The server stops.", metadata={"service": "store"})
        )
        await self._writer.close()
        await self._read(self._reading.close)
        self._reader.shutdown()
        os.close(self._lock)

    async def _read(self, query: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._reader, query)
