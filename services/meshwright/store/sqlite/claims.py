"""Claims on runs of the embedded store: who may work on which, and on its children."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from meshwright.store.interface import Claim, ClaimedRun, Draft, Renewal
from meshwright.store.refusals import claim_lost, run_finished, run_not_found
from meshwright.store.sqlite import events
from meshwright.store.sqlite.rows import UNFINISHED, now, record_of, timestamp
from meshwright.store.stored_event import StoredEvent
from meshwright.v1.run_pb2 import Run, RunState

QUEUED, ACTIVE, FINISHED = RunState.RUN_STATE_QUEUED, RunState.RUN_STATE_ACTIVE, RunState.RUN_STATE_FINISHED
DEPOSE_DESCENDANTS = """
WITH RECURSIVE descendants (run_id) AS (
    SELECT ?
    UNION ALL
    SELECT runs.run_id FROM runs JOIN descendants ON runs.parent = descendants.run_id WHERE runs.parent <> '')
UPDATE runs SET token = token + 1 WHERE state <> ? AND parent <> '' AND run_id IN (
    SELECT run_id FROM descendants LIMIT -1 OFFSET 1)
"""
HELD = "run_id = ? AND token = ? AND state = ?"


CLAIMABLE = f"""
    {UNFINISHED} AND runs.parent = '' AND (
        (runs.state = :active AND runs.lease_until < :time)
        OR (runs.state = :queued AND NOT EXISTS (
            SELECT 1 FROM runs AS earlier
            WHERE earlier.log = runs.log AND earlier.state <> 3 AND earlier.parent = ''
              AND earlier.ordinal < runs.ordinal)))
"""  # noqa: S608 - a constant
STATES = {"active": ACTIVE, "queued": QUEUED}


def claimable(connection: sqlite3.Connection) -> int:
    """How many runs are free."""
    query = f"SELECT COUNT(*) FROM runs WHERE {CLAIMABLE}"  # noqa: S608 - a constant
    return int(connection.execute(query, STATES | {"time": now()}).fetchone()[0])


def claim(connection: sqlite3.Connection, owner: str, lease_micros: int) -> ClaimedRun | None:
    """Claim the oldest run that is free: queued behind none, or left by a holder whose lease is over."""
    time = now()
    row = connection.execute(
        f"""
        SELECT runs.run_id, runs.record, runs.token, runs.cancelled, sessions.session_id, sessions.principal
        FROM runs JOIN sessions USING (log)
        WHERE {CLAIMABLE}
        ORDER BY runs.ordinal LIMIT 1
        """,  # noqa: S608 - a constant
        STATES | {"time": time},
    ).fetchone()
    if row is None:
        return None
    run_id, record, token, cancelled, session_id, principal = row
    held = Claim(session_id, run_id, token + 1, principal)
    return ClaimedRun(held, _hold(connection, held, record, owner, time + lease_micros), bool(cancelled))


def _hold(connection: sqlite3.Connection, held: Claim, record: bytes, owner: str, until: int) -> Run:
    """Give a run to an owner, and take its children and theirs from whoever had them."""
    run = Run.FromString(record)
    run.state = ACTIVE
    run.attempt += 1
    if not run.HasField("start_time"):
        run.start_time.CopyFrom(timestamp(now()))
    connection.execute(
        "UPDATE runs SET state = ?, record = ?, token = ?, owner = ?, lease_until = ? WHERE run_id = ?",
        (ACTIVE, record_of(run), held.token, owner, until, held.run_id),
    )
    connection.execute(DEPOSE_DESCENDANTS, (held.run_id, FINISHED))
    return run


def enqueue_child(
    connection: sqlite3.Connection, claim: Claim, run: Run, drafts: Sequence[Draft]
) -> tuple[ClaimedRun, list[StoredEvent]]:
    """Store a child of a claimed run, held by the same owner. RUN_CLAIM_LOST."""
    log, appended = events.append_claimed(connection, claim, drafts)
    run.parent_run_id = claim.run_id
    run.first_sequence = appended[0].sequence
    run.attempt = 0
    owner, until = _owner_of(connection, claim)
    connection.execute(
        "INSERT INTO runs (run_id, log, state, record, parent, first_sequence) VALUES (?, ?, ?, ?, ?, ?)",
        (run.run_id, log, QUEUED, record_of(run), claim.run_id, run.first_sequence),
    )
    held = Claim(claim.session_id, run.run_id, 1, claim.principal)
    return ClaimedRun(held, _hold(connection, held, record_of(run), owner, until), cancelled=False), appended


def claim_child(connection: sqlite3.Connection, claim: Claim, run_id: str) -> ClaimedRun:
    """Claim a child for the holder of its parent. RUN_CLAIM_LOST, RUN_NOT_FOUND, RUN_FINISHED."""
    owner, until = _owner_of(connection, claim)
    row = connection.execute(
        "SELECT record, token, cancelled FROM runs WHERE run_id = ? AND parent = ?", (run_id, claim.run_id)
    ).fetchone()
    if row is None:
        raise run_not_found(claim.session_id, run_id)
    record, token, cancelled = row
    run = Run.FromString(record)
    if run.state == FINISHED:
        raise run_finished(run)
    held = Claim(claim.session_id, run_id, token + 1, claim.principal)
    return ClaimedRun(held, _hold(connection, held, record, owner, until), bool(cancelled))


def _owner_of(connection: sqlite3.Connection, claim: Claim) -> tuple[str, int]:
    """Who holds the claim, and until when. RUN_CLAIM_LOST."""
    row = connection.execute(
        f"SELECT owner, lease_until FROM runs WHERE {HELD}",  # noqa: S608 - a constant
        (claim.run_id, claim.token, ACTIVE),
    ).fetchone()
    if row is None:
        raise claim_lost(claim.run_id)
    return row[0], row[1]


def renew(
    connection: sqlite3.Connection, claims: Sequence[Claim], lease_micros: int, inputs_known: Mapping[Claim, int]
) -> Renewal:
    """See Store.renew_claims."""
    until = now() + lease_micros
    renewal = Renewal([], [], [])
    for held in claims:
        renewed = connection.execute(
            f"UPDATE runs SET lease_until = ? WHERE {HELD} RETURNING cancelled, inputs",  # noqa: S608 - a constant
            (until, held.run_id, held.token, ACTIVE),
        ).fetchone()
        if renewed is None:
            renewal.lost.append(held)
        elif renewed[0]:
            renewal.cancelled.append(held)
        elif renewed[1] != inputs_known.get(held, renewed[1]):
            renewal.steered.append(held)
    return renewal


def release(connection: sqlite3.Connection, claims: Sequence[Claim]) -> None:
    """Give claims up: the runs are free."""
    connection.executemany(
        f"UPDATE runs SET lease_until = 0, token = token + 1 WHERE {HELD}",  # noqa: S608 - a constant
        [(held.run_id, held.token, ACTIVE) for held in claims],
    )


def release_all(connection: sqlite3.Connection) -> None:
    """End every lease: whoever held one was the process before this one."""
    connection.execute("UPDATE runs SET lease_until = 0 WHERE state = ?", (ACTIVE,))
