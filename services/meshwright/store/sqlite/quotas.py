"""Limits of principals, kept by the transaction that would exceed them."""

from __future__ import annotations

import sqlite3

from meshwright.store.interface import Quotas
from meshwright.store.refusals import open_runs_exhausted, sessions_exhausted, today, tokens_exhausted
from meshwright.store.sqlite.rows import UNFINISHED
from meshwright.store.usage import tokens_of
from meshwright.v1.run_pb2 import Run


def check_sessions(connection: sqlite3.Connection, principal: str, quotas: Quotas) -> None:
    """QUOTA_EXCEEDED where one more session would be too many."""
    if quotas.sessions:
        row = connection.execute("SELECT count(*) FROM sessions WHERE principal = ?", (principal,)).fetchone()
        if row[0] >= quotas.sessions:
            raise sessions_exhausted(principal, quotas.sessions)


def check_runs(connection: sqlite3.Connection, principal: str, quotas: Quotas) -> None:
    """QUOTA_EXCEEDED where one more run would be too many, or the day's tokens are used up."""
    if quotas.open_runs:
        row = connection.execute(
            f"SELECT count(*) FROM runs INDEXED BY runs_open JOIN sessions USING (log) "  # noqa: S608 - a constant
            f"WHERE {UNFINISHED} AND runs.parent = '' AND sessions.principal = ?",
            (principal,),
        ).fetchone()
        if row[0] >= quotas.open_runs:
            raise open_runs_exhausted(principal, quotas.open_runs)
    if quotas.tokens_per_day and tokens_today(connection, principal) >= quotas.tokens_per_day:
        raise tokens_exhausted(principal, quotas.tokens_per_day)


def tokens_today(connection: sqlite3.Connection, principal: str) -> int:
    """What the principal's runs have used since midnight."""
    row = connection.execute(
        "SELECT tokens FROM tokens WHERE principal = ? AND day = ?", (principal, today())
    ).fetchone()
    return row[0] if row else 0


def count_tokens(connection: sqlite3.Connection, run: Run) -> None:
    """Count what the run has used since its record was stored the last time. What children use stands in their parents' records."""
    if run.parent_run_id:
        return
    used = tokens_of(run.usage)
    row = connection.execute(
        "SELECT runs.tokens, sessions.principal FROM runs JOIN sessions USING (log) WHERE run_id = ?", (run.run_id,)
    ).fetchone()
    if row is None or row[0] >= used:
        return
    counted, principal = row
    day = today()
    connection.execute("UPDATE runs SET tokens = ? WHERE run_id = ?", (used, run.run_id))
    connection.execute("DELETE FROM tokens WHERE principal = ? AND day < ?", (principal, day))
    connection.execute(
        "INSERT INTO tokens VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET tokens = tokens + excluded.tokens",
        (principal, day, used - counted),
    )
