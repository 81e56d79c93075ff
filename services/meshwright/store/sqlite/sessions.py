"""Sessions of the embedded store."""

from __future__ import annotations

import sqlite3

from meshwright.store.interface import Once, Page, Quotas
from meshwright.store.refusals import session_not_found
from meshwright.store.sqlite.quotas import check_sessions
from meshwright.store.sqlite.requests import once
from meshwright.store.sqlite.rows import SESSION_COLUMNS, find_log, now, to_session
from meshwright.v1.session_pb2 import Session


def create(connection: sqlite3.Connection, session: Session, request: Once | None, quotas: Quotas) -> Session:
    """Store a new session. QUOTA_EXCEEDED."""

    def change() -> bytes:
        check_sessions(connection, session.principal, quotas)
        record = Session(title=session.title, labels=session.labels, model=session.model)
        time = now()
        connection.execute(
            "INSERT INTO sessions (session_id, principal, record, create_time, update_time) VALUES (?, ?, ?, ?, ?)",
            (session.session_id, session.principal, record.SerializeToString(), time, time),
        )
        return get(connection, session.principal, session.session_id).SerializeToString()

    answer, _ = once(connection, session.principal, request, change)
    return Session.FromString(answer)


def get(connection: sqlite3.Connection, principal: str, session_id: str) -> Session:
    """Read a session. SESSION_NOT_FOUND."""
    row = connection.execute(
        f"SELECT {SESSION_COLUMNS} FROM sessions WHERE session_id = ? AND principal = ?",  # noqa: S608 - a constant
        (session_id, principal),
    ).fetchone()
    if row is None:
        raise session_not_found(session_id)
    return to_session(connection, row)


def list_page(connection: sqlite3.Connection, principal: str, page: Page) -> list[tuple[Session, tuple[int, int]]]:
    """The last used first."""
    before = page.before or (2**63 - 1, 2**63 - 1)
    rows = connection.execute(
        f"SELECT {SESSION_COLUMNS} FROM sessions WHERE principal = ? AND (update_time, log) < (?, ?) "  # noqa: S608 - a constant
        "ORDER BY update_time DESC, log DESC LIMIT ?",
        (principal, *before, page.limit),
    ).fetchall()
    return [(to_session(connection, row), (row[6], row[0])) for row in rows]


def delete(connection: sqlite3.Connection, principal: str, session_id: str, request: Once | None) -> bool:
    """Remove a session with all that belongs to it; False when the request was carried out before."""

    def change() -> bytes:
        connection.execute("DELETE FROM sessions WHERE log = ?", (find_log(connection, principal, session_id),))
        return b""

    _, made = once(connection, principal, request, change)
    return made


def title_after_first_task(connection: sqlite3.Connection, log: int, task: str) -> None:
    """Name a session that has no title after its first task."""
    (record,) = connection.execute("SELECT record FROM sessions WHERE log = ?", (log,)).fetchone()
    session = Session.FromString(record)
    if not session.title:
        line = " ".join(task.split())
        session.title = line if len(line) <= 80 else line[:79] + "…"
        connection.execute("UPDATE sessions SET record = ? WHERE log = ?", (session.SerializeToString(), log))
