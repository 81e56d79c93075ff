"""Idempotency records: a repeated request gets its first answer."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from meshwright.store.interface import Once
from meshwright.store.refusals import request_id_reused
from meshwright.store.sqlite.rows import now

KEPT_MICROS = 24 * 3600 * 1_000_000


def once(
    connection: sqlite3.Connection, principal: str, request: Once | None, change: Callable[[], bytes]
) -> tuple[bytes, bool]:
    """The answer of `change`, made now or remembered, and whether it was made now. REQUEST_ID_REUSED."""
    if request is None:
        return change(), True
    connection.execute("DELETE FROM requests WHERE create_time < ?", (now() - KEPT_MICROS,))
    row = connection.execute(
        "SELECT fingerprint, response FROM requests WHERE principal = ? AND request_id = ?",
        (principal, request.request_id),
    ).fetchone()
    if row is not None:
        if row[0] != request.fingerprint:
            raise request_id_reused(request.request_id)
        return bytes(row[1]), False
    answer = change()
    connection.execute(
        "INSERT INTO requests VALUES (?, ?, ?, ?, ?)",
        (principal, request.request_id, request.fingerprint, answer, now()),
    )
    return answer, True
