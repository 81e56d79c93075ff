"""Moving what the write-ahead log holds into the database file, beside the writer."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import structlog

from meshwright.store.sqlite.schema import connect

MAX_LOG_BYTES = 4 << 20
log = structlog.get_logger(__name__)


class Checkpoints:
    """SQLite would make a checkpoint in the middle of whichever commit fills the log, fsyncs included; the writer has that turned off
    and makes them here, in a thread."""

    def __init__(self, path: Path) -> None:
        self._log = path.with_name(f"{path.name}-wal")
        self._connection = connect(path)

    def due(self) -> bool:
        """Whether the log is long. It shrinks when the first commit after a checkpoint of all of it begins it anew."""
        try:
            return self._log.stat().st_size > MAX_LOG_BYTES
        except OSError:
            return False

    def make(self) -> None:
        """Move what is committed. Blocks; what is committed meanwhile stays in the log."""
        try:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error:
            log.exception("store.checkpoint_failed")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
