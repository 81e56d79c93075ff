"""Tables of the embedded store, and how a database file is opened."""

from __future__ import annotations

import sqlite3
from pathlib import Path

SCHEMA_VERSION = 1

SCHEMA = """
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


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open the database for one thread at a time; transactions are begun by hand.

    WAL with synchronous=NORMAL: what was committed survives the death of the process at once, and of the machine after the next
    checkpoint. A commit costs no fsync.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    # Checkpoints are made beside the commits, not by them.
    connection.execute("PRAGMA wal_autocheckpoint=0")
    # A log that is begun anew gives its space back: its size tells how much waits for a checkpoint.
    connection.execute("PRAGMA journal_size_limit=0")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA busy_timeout=5000")
    connection.execute("PRAGMA cache_size=-8192")
    if read_only:
        connection.execute("PRAGMA query_only=ON")
    return connection


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables in a new file; refuse a file that a later version has written."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise RuntimeError(
            f"The store was written by a newer Meshwright (schema {version}, this one knows {SCHEMA_VERSION}). "
            "Upgrade Meshwright, or set MESHWRIGHT_DATA_DIR to another folder."
        )
    if version == 0:
        connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
