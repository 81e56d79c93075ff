"""The log itself: appending and reading."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from meshwright.store.interface import Claim, Draft
from meshwright.store.refusals import TrimmedError, claim_lost, session_not_found
from meshwright.store.sqlite.rows import now
from meshwright.store.stored_event import StoredEvent, place
from meshwright.store.usage import add_usage, usage_in
from meshwright.v1.run_pb2 import RunState, Usage

ACTIVE = RunState.RUN_STATE_ACTIVE

ADVANCE = (
    "UPDATE sessions SET last_sequence = last_sequence + ?, update_time = ? WHERE log = ? RETURNING log, last_sequence"
)
ADVANCE_CLAIMED = (
    "UPDATE sessions SET last_sequence = last_sequence + ?, update_time = ? "
    "WHERE log = (SELECT log FROM runs WHERE run_id = ? AND token = ? AND state = ?) "
    "RETURNING log, last_sequence"
)
INSERT = "INSERT INTO events (log, sequence, kind, run_id, payload) VALUES (?, ?, ?, ?, ?)"


def append(connection: sqlite3.Connection, log: int, drafts: Sequence[Draft]) -> list[StoredEvent]:
    """Append to a log for which no claim is needed."""
    _, last = connection.execute(ADVANCE, (len(drafts), now(), log)).fetchone()
    return _insert(connection, log, last, drafts)


def append_claimed(
    connection: sqlite3.Connection, claim: Claim, drafts: Sequence[Draft]
) -> tuple[int, list[StoredEvent]]:
    """Append to the log of a claimed run; the log and the events. RUN_CLAIM_LOST."""
    row = connection.execute(ADVANCE_CLAIMED, (len(drafts), now(), claim.run_id, claim.token, ACTIVE)).fetchone()
    if row is None:
        raise claim_lost(claim.run_id)
    return row[0], _insert(connection, row[0], row[1], drafts)


def _insert(connection: sqlite3.Connection, log: int, last: int, drafts: Sequence[Draft]) -> list[StoredEvent]:
    events = [place(sequence, *draft) for sequence, draft in enumerate(drafts, last - len(drafts) + 1)]
    rows = [(log, event.sequence, *draft) for event, draft in zip(events, drafts, strict=True)]
    connection.executemany(INSERT, rows)
    return events


def append_to_session(connection: sqlite3.Connection, session_id: str, drafts: Sequence[Draft]) -> list[StoredEvent]:
    """Append events that belong to no run. SESSION_NOT_FOUND."""
    row = connection.execute("SELECT log FROM sessions WHERE session_id = ?", (session_id,)).fetchone()
    if row is None:
        raise session_not_found(session_id)
    used = usage_in(drafts)
    if used.ByteSize():
        count_usage(connection, session_id, used)
    return append(connection, row[0], drafts)


def count_usage(connection: sqlite3.Connection, session_id: str, used: Usage) -> None:
    """Add to what the session has used."""
    (record,) = connection.execute("SELECT usage FROM sessions WHERE session_id = ?", (session_id,)).fetchone()
    total = Usage.FromString(record)
    add_usage(total, used)
    connection.execute("UPDATE sessions SET usage = ? WHERE session_id = ?", (total.SerializeToString(), session_id))


def read(
    connection: sqlite3.Connection, session_id: str, after_sequence: int, limit: int, kinds: Sequence[int]
) -> list[StoredEvent]:
    """Events after a sequence. TrimmedError."""
    chosen = f"AND kind IN ({','.join('?' * len(kinds))})" if kinds else ""
    rows = connection.execute(
        "SELECT sequence, kind, run_id, payload FROM events "  # noqa: S608 - only question marks are put in
        f"WHERE log = (SELECT log FROM sessions WHERE session_id = ?) AND sequence > ? {chosen} ORDER BY sequence LIMIT ?",
        (session_id, after_sequence, *kinds, limit),
    )
    events = [place(*row) for row in rows]
    # Asked behind the events: what was missing among them is known by now.
    row = connection.execute("SELECT first_sequence FROM sessions WHERE session_id = ?", (session_id,)).fetchone()
    if row is not None and after_sequence + 1 < row[0]:
        raise TrimmedError(row[0])
    return events
