"""What every store promises. One suite of tests holds all engines to it.

A store owns the order of events: it gives each session's events the sequences 1, 2, 3, ... atomically and without a gap. It owns the
claims on runs too: only the holder of a run's latest claim can append to the run, and a run ends exactly once.

Events travel as bytes: a `Draft` is a serialised `meshwright.v1.Event` without its sequence, which the store adds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from meshwright.store.live import Subscription
from meshwright.store.stored_event import StoredEvent
from meshwright.v1.event_pb2 import Approval, ApprovalResolved
from meshwright.v1.run_pb2 import Run, Track
from meshwright.v1.session_pb2 import Session


class Draft(NamedTuple):
    """An event that has no sequence yet."""

    kind: int
    """Number of the event's arm, as in `EventKind`."""
    run_id: str
    """The run, or empty."""
    payload: bytes
    """The serialised Event without sequence."""


Drafts = Sequence[Draft] | Callable[[], Sequence[Draft]]
"""Drafts, or what composes them at the last moment."""


class Once(NamedTuple):
    """Makes a mutating call safe to repeat: the same id and fingerprint give the stored answer, another fingerprint is refused."""

    request_id: str
    """The caller's id; unique for the principal for 24 hours."""
    fingerprint: bytes
    """Digest of the method and the request."""


class Claim(NamedTuple):
    """The right to append to a run. A later claim on the run ends this one."""

    session_id: str
    run_id: str
    token: int
    """Fencing token: grows with each claim on the run."""
    principal: str
    """Owner of the session."""


NOTHING_KNOWN: Mapping[Claim, int] = {}
"""Of no claim."""


class ClaimedRun(NamedTuple):
    """A run that this replica now has to work on."""

    claim: Claim
    run: Run
    """As stored, with state ACTIVE and the attempt counted."""
    cancelled: bool
    """Somebody asked for its end before it was claimed."""


class Quotas(NamedTuple):
    """Limits of one principal; 0 means no limit."""

    sessions: int = 0
    """Sessions that exist."""
    open_runs: int = 0
    """Runs that have not ended, queued ones included. Children do not count."""
    tokens_per_day: int = 0
    """Input and output tokens since 00:00 UTC; a run that is at work when they are used up goes on."""


NO_QUOTAS = Quotas()


class Renewal(NamedTuple):
    """What became of claims that were to be renewed. The others hold for another lease."""

    lost: list[Claim]
    """Another has the run, or it has ended."""
    cancelled: list[Claim]
    """Renewed, but somebody asked for the run's end."""
    steered: list[Claim]
    """Renewed, but the run was given inputs of which its worker does not know."""


class Retention(NamedTuple):
    """What of a log may be removed: whole runs that ended, the oldest first, with the events between them."""

    finished_before: float = 0.0
    """Runs that ended before this time, in seconds since 1970; 0 for none."""
    events: int = 0
    """Runs that lie before the newest so many events; 0 for none."""


class RunWaiting(NamedTuple):
    """Signal: a run may be claimable."""


class CancelRequested(NamedTuple):
    """Signal: somebody asked a run to end."""

    session_id: str
    run_id: str


class InputDelivered(NamedTuple):
    """Signal: a run was given an input."""

    session_id: str
    run_id: str
    interrupt: bool
    """Its current step is to stop for it."""


class ApprovalSettled(NamedTuple):
    """Signal: a run need not wait for an answer any more."""

    session_id: str
    run_id: str
    approval_id: str


class SettledApproval(NamedTuple):
    """An approval and what became of it."""

    approval: Approval
    """As it is now."""
    resolution: ApprovalResolved | None
    """None while it waits."""


class SessionDeleted(NamedTuple):
    """Signal: a session and all that belongs to it is gone."""

    session_id: str


Signal = RunWaiting | CancelRequested | InputDelivered | ApprovalSettled | SessionDeleted


class Page(NamedTuple):
    """A position in a list that is ordered from the newest to the oldest."""

    limit: int
    """Entries at most."""
    before: tuple[int, int] | None = None
    """Sort key of the last entry of the page before."""


class Store(Protocol):
    """Sessions, runs, events. Every method raises MeshError with the reason that its comment names; all are safe to call concurrently."""

    async def create_session(self, session: Session, once: Once | None, quotas: Quotas = NO_QUOTAS) -> Session:
        """Store a new session, whose principal and id are set. REQUEST_ID_REUSED, QUOTA_EXCEEDED (`sessions`)."""
        ...

    async def get_session(self, principal: str, session_id: str) -> Session:
        """SESSION_NOT_FOUND."""
        ...

    async def list_sessions(self, principal: str, page: Page) -> list[tuple[Session, tuple[int, int]]]:
        """The principal's sessions, the last used first, each with its sort key."""
        ...

    async def delete_session(self, principal: str, session_id: str, once: Once | None) -> None:
        """Remove a session, its runs and events; end its watchers and claims. SESSION_NOT_FOUND, REQUEST_ID_REUSED."""
        ...

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
        """Store a run behind the session's others and append the drafts; fills in `first_sequence`.

        SESSION_NOT_FOUND, SESSION_BUSY, REQUEST_ID_REUSED, QUOTA_EXCEEDED (`concurrent_runs`, `tokens_per_day`).
        """
        ...

    async def get_run(self, principal: str, session_id: str, run_id: str) -> Run:
        """SESSION_NOT_FOUND, RUN_NOT_FOUND."""
        ...

    async def list_runs(self, principal: str, session_id: str, page: Page) -> list[tuple[Run, tuple[int, int]]]:
        """The session's runs, the newest first, each with its sort key. SESSION_NOT_FOUND."""
        ...

    async def cancel_run(
        self,
        principal: str,
        session_id: str,
        run_id: str,
        once: Once | None,
        settle: Callable[[Run], tuple[Run, Draft]],
    ) -> Run:
        """Ask for a run's end; an empty run_id means the oldest that has not ended.

        A queued run ends here and now, with what `settle` makes of it; the holder of an active run's claim is signalled.
        SESSION_NOT_FOUND, RUN_NOT_FOUND, RUN_FINISHED, REQUEST_ID_REUSED.
        """
        ...

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
        """Give an input to a run that has not ended, as the event that `compose` makes of it; its holder is signalled.

        An empty run_id means the oldest that has not ended. SESSION_NOT_FOUND, RUN_NOT_FOUND, RUN_FINISHED, REQUEST_ID_REUSED.
        """
        ...

    async def resolve_approval(
        self,
        principal: str,
        session_id: str,
        approval_id: str,
        once: Once | None,
        decide: Callable[[Approval], tuple[ApprovalResolved, Draft]],
    ) -> SettledApproval:
        """Settle an approval that waits with what `decide` makes of it; the holder of its run is signalled.

        One that was settled before with the same answer is left as it is. `decide` may refuse with a MeshError of its own.
        SESSION_NOT_FOUND, APPROVAL_NOT_FOUND, APPROVAL_CLOSED, REQUEST_ID_REUSED.
        """
        ...

    async def get_approval(self, principal: str, session_id: str, approval_id: str) -> SettledApproval:
        """SESSION_NOT_FOUND, APPROVAL_NOT_FOUND."""
        ...

    async def list_approvals(
        self, principal: str, session_id: str, page: Page, *, pending_only: bool
    ) -> list[tuple[Approval, tuple[int, int]]]:
        """The session's approvals, the newest first, each with its sort key. SESSION_NOT_FOUND."""
        ...

    async def tokens_today(self, principal: str) -> int:
        """Input and output tokens of the principal's runs since 00:00 UTC, as counted when a run's record is stored."""
        ...

    async def claim_run(
        self, owner: str, lease_seconds: float, track: Track.ValueType = Track.TRACK_STABLE
    ) -> ClaimedRun | None:
        """Claim the oldest run that nobody works on and whose session has no other run at work; None when there is none.

        Never gives a child. The claim ends those on the run's children: their holder was the one before.
        A store that processes share gives each track its own runs: the canary never gets another's; the stable track gets those without a
        track, and those of the canary that have been free for 2 seconds. One that serves a single process gives it all of them.
        """
        ...

    async def claimable_runs(self, track: Track.ValueType = Track.TRACK_STABLE) -> int:
        """How many runs `claim_run` would give to this track now, about: one for each session at most."""
        ...

    async def enqueue_child(self, claim: Claim, run: Run, drafts: Sequence[Draft]) -> ClaimedRun:
        """Store a run that the claimed one delegates and append the drafts: it is ACTIVE at once, under a claim of its own.

        Sets `parent_run_id`. A child does not count as a run at work of its session nor against quotas, and no empty run_id means it.
        Its parent's record takes its usage in (the runtime sees to that), so the session's and the principal's sums count only runs
        without a parent: what a family used is counted once.
        RUN_CLAIM_LOST.
        """
        ...

    async def claim_child(self, claim: Claim, run_id: str) -> ClaimedRun:
        """Claim an unfinished child of the claimed run, whoever held it. RUN_CLAIM_LOST, RUN_NOT_FOUND, RUN_FINISHED."""
        ...

    async def release_claims(self, held: Sequence[Claim]) -> None:
        """Give runs back, so that any replica of their track can claim them at once.

        These claims are lost; those that were lost before are left out.
        """
        ...

    async def renew_claims(
        self, claims: Sequence[Claim], lease_seconds: float, inputs_known: Mapping[Claim, int] = NOTHING_KNOWN
    ) -> Renewal:
        """Renew claims, and tell of their runs what a signal may have told before: signals can get lost.

        `inputs_known` is how many inputs a run's worker knows of; of runs that are not in it nothing about inputs is told.
        """
        ...

    def append(
        self, claim: Claim, drafts: Drafts, run: Run | None = None, *, inputs_seen: int | None = None
    ) -> asyncio.Future[list[StoredEvent]]:
        """Append events to the claimed run's session, and store the run's record if given; gives the events with their sequences.

        Drafts given as a function are asked for once, in the event loop, when the append is about to be made: until then they
        can gather.
        An approval_requested among the drafts is stored as an approval too.
        The order of calls is the order of events. A record with state FINISHED ends the run and its claim; it must have its
        finish_time and come with the run's one RUN_FINISHED draft, whose sequence the store writes into the record.
        With `inputs_seen` nothing is appended unless so many inputs were delivered to the run: InputsWaitingError.
        RUN_CLAIM_LOST.
        """
        ...

    async def append_to_session(self, session_id: str, drafts: Sequence[Draft]) -> None:
        """Append events that belong to no run, whoever works on the session. SESSION_NOT_FOUND.

        What a usage_recorded among the drafts says is added to what the session has used.
        """
        ...

    async def read(
        self, session_id: str, after_sequence: int, limit: int, kinds: Sequence[int] = ()
    ) -> list[StoredEvent]:
        """Events after a sequence in their order, only of some kinds if given. Empty at the end.

        TrimmedError where events after the sequence were removed.
        """
        ...

    async def trim(self, session_id: str, retention: Retention) -> int:
        """Remove what a session need not keep; how many events. Its records of runs and approvals stay.

        What is removed is a beginning of the log; nothing of a run that has not ended goes, and of no run only a part. A session that
        does not exist has nothing to remove.
        """
        ...

    async def trim_all(self, retention: Retention) -> int:
        """Remove what any session need not keep; how many events. At once nothing where another replica is about it."""
        ...

    def subscribe(self, session_id: str) -> Subscription:
        """Follow a session's events; close it after use. Its `take` may raise TrimmedError as well.

        Read the log afterwards: whatever a read that was begun after this does not give, the subscription gives.
        """
        ...

    async def followed(self, session_id: str) -> bool:
        """Whether anybody follows the session's events, at this replica or another."""
        ...

    def listen(self, listener: Callable[[Signal], None]) -> None:
        """Have every signal given to `listener`, in the event loop. One listener for each store."""
        ...

    async def problem(self) -> str:
        """Why the store does not answer now, in words for an operator; empty where it does.

        Raises StoreUnusableError where the settings are wrong.
        """
        ...

    async def close(self) -> None:
        """Finish what is under way and close."""
        ...
