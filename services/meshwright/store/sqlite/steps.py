"""The tables of the embedded store, version by version: a new file takes every step, an older one those that it has not taken."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from meshwright.store.usage import tokens_of
from meshwright.v1.run_pb2 import Run

FIRST_TABLES = """
CREATE TABLE sessions (
    log INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL UNIQUE,
    principal TEXT NOT NULL,
    record BLOB NOT NULL,            -- Session: what its creator set
    usage BLOB NOT NULL DEFAULT x'', -- Usage of the runs that ended
    create_time INTEGER NOT NULL,    -- microseconds since 1970, as all times here
    update_time INTEGER NOT NULL,
    first_sequence INTEGER NOT NULL DEFAULT 1,
    last_sequence INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX sessions_of_principal ON sessions (principal);

CREATE TABLE runs (
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id TEXT NOT NULL UNIQUE,
    log INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
    state INTEGER NOT NULL,          -- RunState
    record BLOB NOT NULL,            -- Run
    token INTEGER NOT NULL DEFAULT 0,
    owner TEXT NOT NULL DEFAULT '',
    lease_until INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0,
    inputs INTEGER NOT NULL DEFAULT 0 -- inputs that were delivered to it
);
CREATE INDEX runs_of_session ON runs (log, ordinal);
CREATE INDEX runs_open ON runs (ordinal) WHERE state <> 3;

CREATE TABLE events (
    log INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    kind INTEGER NOT NULL,           -- EventKind
    run_id TEXT NOT NULL,
    payload BLOB NOT NULL,           -- Event without its sequence
    PRIMARY KEY (log, sequence)
) WITHOUT ROWID;

CREATE TABLE approvals (
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
    approval_id TEXT NOT NULL,
    log INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
    run_id TEXT NOT NULL,
    state INTEGER NOT NULL,          -- ApprovalState
    record BLOB NOT NULL,            -- Approval as it was asked
    resolution BLOB NOT NULL DEFAULT x'', -- ApprovalResolved
    UNIQUE (log, approval_id)
);

CREATE TABLE requests (
    principal TEXT NOT NULL,
    request_id TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    response BLOB NOT NULL,
    create_time INTEGER NOT NULL,
    PRIMARY KEY (principal, request_id)
) WITHOUT ROWID;
CREATE INDEX requests_by_time ON requests (create_time);
"""

ROOMS_FOR_CHILDREN_AND_QUOTAS = """
ALTER TABLE runs ADD COLUMN parent TEXT NOT NULL DEFAULT '';      -- run that delegated it
ALTER TABLE runs ADD COLUMN tokens INTEGER NOT NULL DEFAULT 0;    -- counted for the principal so far
ALTER TABLE runs ADD COLUMN first_sequence INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN finish_sequence INTEGER NOT NULL DEFAULT 0; -- 0 until it ends
ALTER TABLE runs ADD COLUMN finish_time INTEGER NOT NULL DEFAULT 0;
CREATE INDEX runs_open_of_session ON runs (log, ordinal) WHERE state <> 3;
CREATE INDEX runs_ended ON runs (log, finish_sequence, finish_time) WHERE state = 3;
CREATE INDEX runs_of_parent ON runs (parent) WHERE parent <> '';

CREATE TABLE tokens (
    principal TEXT NOT NULL,
    day INTEGER NOT NULL,            -- days since 1970, by UTC
    tokens INTEGER NOT NULL,         -- input and output
    PRIMARY KEY (principal, day)
) WITHOUT ROWID;
"""


def _first(connection: sqlite3.Connection) -> None:
    _execute(connection, FIRST_TABLES)


def _children_and_quotas(connection: sqlite3.Connection) -> None:
    """What the records of runs say stands in columns too. What was used before is not counted for the day."""
    _execute(connection, ROOMS_FOR_CHILDREN_AND_QUOTAS)
    for ordinal, record in connection.execute("SELECT ordinal, record FROM runs").fetchall():
        run = Run.FromString(record)
        connection.execute(
            "UPDATE runs SET tokens = ?, first_sequence = ?, finish_sequence = ?, finish_time = ? WHERE ordinal = ?",
            (
                tokens_of(run.usage),
                run.first_sequence,
                run.finish_sequence,
                run.finish_time.ToMicroseconds(),
                ordinal,
            ),
        )


def _execute(connection: sqlite3.Connection, statements: str) -> None:
    """Statements inside the transaction that is open; `executescript` would end it."""
    lines = (line.partition("--")[0] for line in statements.splitlines())
    for statement in "\n".join(lines).split(";"):
        connection.execute(statement)


STEPS: tuple[Callable[[sqlite3.Connection], None], ...] = (_first, _children_and_quotas)
