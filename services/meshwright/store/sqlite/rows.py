"""Rows of the embedded store as messages of the contract."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from meshwright.store.refusals import session_not_found
from meshwright.v1.run_pb2 import Run, RunState, Usage
from meshwright.v1.session_pb2 import Session

SESSION_COLUMNS = "log, session_id, principal, record, usage, create_time, update_time, first_sequence, last_sequence"

MICROS = 1_000_000
UNFINISHED = "runs.state <> 3"
"""Of a run. The number stands there as in the indexes of such runs, without which every run there ever was would be looked at."""


def now() -> int:
    """The time in microseconds since 1970."""
    return time.time_ns() // 1000


def timestamp(micros: int) -> Timestamp:
    """A stored time as a Timestamp."""
    return Timestamp(seconds=micros // MICROS, nanos=micros % MICROS * 1000)


def find_log(connection: sqlite3.Connection, principal: str, session_id: str) -> int:
    """The session's key. SESSION_NOT_FOUND also where it belongs to somebody else."""
    row = connection.execute(
        "SELECT log FROM sessions WHERE session_id = ? AND principal = ?", (session_id, principal)
    ).fetchone()
    if row is None:
        raise session_not_found(session_id)
    return int(row[0])


def to_session(connection: sqlite3.Connection, row: tuple[Any, ...]) -> Session:
    """A row of SESSION_COLUMNS with what the session's runs say."""
    log, session_id, principal, record, usage, create_time, update_time, first_sequence, last_sequence = row
    session = Session.FromString(record)
    session.session_id = session_id
    session.principal = principal
    session.create_time.CopyFrom(timestamp(create_time))
    session.update_time.CopyFrom(timestamp(update_time))
    session.first_sequence = first_sequence
    session.last_sequence = last_sequence
    session.usage.CopyFrom(Usage.FromString(usage))
    open_runs = connection.execute(
        f"SELECT run_id, state FROM runs WHERE log = ? AND {UNFINISHED} AND parent = '' ORDER BY ordinal",  # noqa: S608 - a constant
        (log,),
    ).fetchall()
    active = [run_id for run_id, state in open_runs if state == RunState.RUN_STATE_ACTIVE]
    session.active_run_id = active[0] if active else ""
    session.queued_runs = len(open_runs) - len(active)
    return session


def record_of(run: Run) -> bytes:
    """A run as it is stored."""
    return run.SerializeToString()
