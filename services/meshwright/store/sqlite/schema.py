"""How a database file is opened, and brought to the present tables."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from meshwright.serving.startup import StartupError
from meshwright.store.sqlite.steps import STEPS

SCHEMA_VERSION = len(STEPS)


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
    """Make or bring forward the tables, each step whole or not at all; refuse a file that a later version has written."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise StartupError(
            f"The store was written by a newer Meshwright (schema {version}, this one knows {SCHEMA_VERSION}). "
            "Upgrade Meshwright, or set MESHWRIGHT_DATA_DIR to another folder."
        )
    for number, step in enumerate(STEPS[version:], version + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            step(connection)
            connection.execute(f"PRAGMA user_version={number}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
