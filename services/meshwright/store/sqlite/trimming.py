"""Trimming logs of the embedded store.

A log says first where it begins now, and is cleared up to there then, piece by piece, so that other changes come in between.
"""

from __future__ import annotations

import sqlite3

from meshwright.store.interface import Retention
from meshwright.store.sqlite.rows import MICROS
from meshwright.store.trimming import Span, new_beginning
from meshwright.v1.run_pb2 import RunState

PIECE_EVENTS = 250
FINISHED = RunState.RUN_STATE_FINISHED


def sessions_to_trim(connection: sqlite3.Connection, retention: Retention) -> list[str]:
    """Sessions that may have something to remove."""
    rows = connection.execute(
        """
        SELECT session_id FROM sessions
        WHERE (:events > 0 AND last_sequence - first_sequence >= :events)
           OR EXISTS (
                SELECT 1 FROM runs
                WHERE runs.log = sessions.log AND state = :finished AND finish_sequence >= sessions.first_sequence
                  AND finish_time < :before)
        """,
        {"events": retention.events, "finished": FINISHED, "before": int(retention.finished_before * MICROS)},
    )
    return [session_id for (session_id,) in rows]


def advance(connection: sqlite3.Connection, session_id: str, retention: Retention) -> int:
    """Have the log begin later, by the policy; how many events go."""
    row = connection.execute(
        "SELECT log, first_sequence, last_sequence FROM sessions WHERE session_id = ?", (session_id,)
    ).fetchone()
    if row is None:
        return 0
    log, first, last = row
    begin = new_beginning(_spans(connection, log, first), last, retention)
    if begin <= first:
        return 0
    connection.execute("UPDATE sessions SET first_sequence = ? WHERE log = ?", (begin, log))
    return int(begin - first)


def clear(connection: sqlite3.Connection, session_id: str) -> bool:
    """Remove a piece of what lies before the log's beginning; whether there may be more."""
    row = connection.execute(
        "SELECT log, first_sequence, (SELECT min(sequence) FROM events WHERE events.log = sessions.log) "
        "FROM sessions WHERE session_id = ?",
        (session_id,),
    ).fetchone()
    if row is None or row[2] is None or row[2] >= row[1]:
        return False
    log, begin, oldest = row
    until = min(begin, oldest + PIECE_EVENTS)
    connection.execute("DELETE FROM events WHERE log = ? AND sequence < ?", (log, until))
    return bool(until < begin)


def _spans(connection: sqlite3.Connection, log: int, first: int) -> list[Span]:
    rows = connection.execute(
        "SELECT first_sequence, finish_sequence, finish_time FROM runs "
        "WHERE log = ? AND (state <> ? OR finish_sequence >= ?) ORDER BY first_sequence",
        (log, FINISHED, first),
    )
    return [Span(start, finish, time / MICROS) for start, finish, time in rows]
