"""Approvals of the embedded store: asked in the log, settled once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

from meshwright.store.interface import Draft, Once, Page, SettledApproval
from meshwright.store.refusals import approval_closed, approval_not_found
from meshwright.store.sqlite import events
from meshwright.store.sqlite.requests import once
from meshwright.store.sqlite.rows import find_log
from meshwright.store.stored_event import StoredEvent
from meshwright.v1.event_pb2 import Approval, ApprovalResolved, ApprovalState, Event, EventKind

PENDING = ApprovalState.APPROVAL_STATE_PENDING
REQUESTED = EventKind.EVENT_KIND_APPROVAL_REQUESTED


class Settled(NamedTuple):
    """An approval after a change, and the events that came with it."""

    settled: SettledApproval
    appended: Sequence[StoredEvent]


def store_requested(connection: sqlite3.Connection, log: int, drafts: Sequence[Draft]) -> None:
    """Store the approvals that are asked for in these drafts."""
    for draft in drafts:
        if draft.kind == REQUESTED:
            approval = Event.FromString(draft.payload).approval_requested.approval
            connection.execute(
                "INSERT INTO approvals (approval_id, log, run_id, state, record) VALUES (?, ?, ?, ?, ?)",
                (approval.approval_id, log, approval.run_id, PENDING, approval.SerializeToString()),
            )


def get(connection: sqlite3.Connection, principal: str, session_id: str, approval_id: str) -> SettledApproval:
    """Read an approval. SESSION_NOT_FOUND, APPROVAL_NOT_FOUND."""
    return _find(connection, find_log(connection, principal, session_id), approval_id)


def list_page(
    connection: sqlite3.Connection, principal: str, session_id: str, page: Page, pending_only: bool
) -> list[tuple[Approval, tuple[int, int]]]:
    """The newest first. SESSION_NOT_FOUND."""
    log = find_log(connection, principal, session_id)
    before = page.before[0] if page.before else 2**63 - 1
    rows = connection.execute(
        "SELECT ordinal, record, state FROM approvals WHERE log = ? AND ordinal < ? AND (state = ? OR NOT ?) "
        "ORDER BY ordinal DESC LIMIT ?",
        (log, before, PENDING, pending_only, page.limit),
    ).fetchall()
    return [(_approval(record, state), (ordinal, 0)) for ordinal, record, state in rows]


def resolve(
    connection: sqlite3.Connection,
    principal: str,
    session_id: str,
    approval_id: str,
    request: Once | None,
    decide: Callable[[Approval], tuple[ApprovalResolved, Draft]],
) -> Settled:
    """Settle an approval that waits."""
    appended: list[StoredEvent] = []
    log = find_log(connection, principal, session_id)

    def change() -> bytes:
        found = _find(connection, log, approval_id)
        resolution, draft = decide(found.approval)
        if found.resolution is not None:
            if not _same_answer(found.resolution, resolution):
                raise approval_closed(found.approval)
            return b""
        appended.extend(events.append(connection, log, [draft]))
        connection.execute(
            "UPDATE approvals SET state = ?, resolution = ? WHERE log = ? AND approval_id = ?",
            (resolution.state, resolution.SerializeToString(), log, approval_id),
        )
        return b""

    once(connection, principal, request, change)
    return Settled(_find(connection, log, approval_id), appended)


def _same_answer(first: ApprovalResolved, second: ApprovalResolved) -> bool:
    return (first.state, first.edited_arguments) == (second.state, second.edited_arguments)


def _find(connection: sqlite3.Connection, log: int, approval_id: str) -> SettledApproval:
    row = connection.execute(
        "SELECT record, state, resolution FROM approvals WHERE log = ? AND approval_id = ?", (log, approval_id)
    ).fetchone()
    if row is None:
        raise approval_not_found(approval_id)
    record, state, resolution = row
    settled = None if state == PENDING else ApprovalResolved.FromString(resolution)
    return SettledApproval(_approval(record, state), settled)


def _approval(record: bytes, state: int) -> Approval:
    approval = Approval.FromString(record)
    approval.state = cast("ApprovalState.ValueType", state)
    return approval
