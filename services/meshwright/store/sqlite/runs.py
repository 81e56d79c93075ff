"""Runs of the embedded store: the queue, their inputs, the one end."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import NamedTuple

from meshwright.store.interface import Claim, Draft, Once, Page, Quotas
from meshwright.store.refusals import InputsWaitingError, run_finished, run_not_found, session_busy
from meshwright.store.sqlite import approvals, events, sessions
from meshwright.store.sqlite.quotas import check_runs, count_tokens
from meshwright.store.sqlite.requests import once
from meshwright.store.sqlite.rows import UNFINISHED, find_log, record_of
from meshwright.store.stored_event import StoredEvent
from meshwright.v1.event_pb2 import EventKind
from meshwright.v1.run_pb2 import Run, RunState

QUEUED, ACTIVE, FINISHED = RunState.RUN_STATE_QUEUED, RunState.RUN_STATE_ACTIVE, RunState.RUN_STATE_FINISHED


class Changed(NamedTuple):
    """A run after a change, and the events that came with it."""

    run: Run
    appended: Sequence[StoredEvent] = ()
    signal: bool = False


def enqueue(
    connection: sqlite3.Connection,
    principal: str,
    run: Run,
    drafts: Sequence[Draft],
    request: Once | None,
    reject_if_busy: bool,
    quotas: Quotas,
) -> Changed:
    """Store a run behind the session's others."""
    appended: list[StoredEvent] = []

    def change() -> bytes:
        log = find_log(connection, principal, run.session_id)
        if reject_if_busy:
            _refuse_busy(connection, log, run.session_id)
        check_runs(connection, principal, quotas)
        appended.extend(events.append(connection, log, drafts))
        run.first_sequence = appended[0].sequence
        connection.execute(
            "INSERT INTO runs (run_id, log, state, record, first_sequence) VALUES (?, ?, ?, ?, ?)",
            (run.run_id, log, QUEUED, record_of(run), run.first_sequence),
        )
        sessions.title_after_first_task(connection, log, run.spec.task)
        return record_of(run)

    answer, made = once(connection, principal, request, change)
    return Changed(Run.FromString(answer), appended, made)


def _refuse_busy(connection: sqlite3.Connection, log: int, session_id: str) -> None:
    row = connection.execute(
        f"SELECT run_id FROM runs WHERE log = ? AND {UNFINISHED} AND parent = '' ORDER BY ordinal LIMIT 1",  # noqa: S608 - a constant
        (log,),
    ).fetchone()
    if row is not None:
        raise session_busy(session_id, row[0])


def get(connection: sqlite3.Connection, principal: str, session_id: str, run_id: str) -> Run:
    """Read a run. SESSION_NOT_FOUND, RUN_NOT_FOUND."""
    log = find_log(connection, principal, session_id)
    row = connection.execute("SELECT record FROM runs WHERE log = ? AND run_id = ?", (log, run_id)).fetchone()
    if row is None:
        raise run_not_found(session_id, run_id)
    return Run.FromString(row[0])


def list_page(
    connection: sqlite3.Connection, principal: str, session_id: str, page: Page
) -> list[tuple[Run, tuple[int, int]]]:
    """The newest first."""
    log = find_log(connection, principal, session_id)
    before = page.before[0] if page.before else 2**63 - 1
    rows = connection.execute(
        "SELECT ordinal, record FROM runs WHERE log = ? AND ordinal < ? ORDER BY ordinal DESC LIMIT ?",
        (log, before, page.limit),
    ).fetchall()
    return [(Run.FromString(record), (ordinal, 0)) for ordinal, record in rows]


def cancel(
    connection: sqlite3.Connection,
    principal: str,
    session_id: str,
    run_id: str,
    request: Once | None,
    settle: Callable[[Run], tuple[Run, Draft]],
) -> Changed:
    """Ask for a run's end; end it here where it has not begun."""
    appended: list[StoredEvent] = []

    def change() -> bytes:
        log = find_log(connection, principal, session_id)
        run = _run_to_cancel(connection, log, session_id, run_id)
        if run.state == QUEUED:
            run, draft = settle(run)
            appended.extend(events.append(connection, log, [draft]))
            _finish(connection, run, appended[-1].sequence)
        connection.execute("UPDATE runs SET cancelled = 1 WHERE run_id = ?", (run.run_id,))
        return record_of(run)

    answer, made = once(connection, principal, request, change)
    return Changed(Run.FromString(answer), appended, made)


def _run_to_cancel(connection: sqlite3.Connection, log: int, session_id: str, run_id: str) -> Run:
    run, cancelled = _find(connection, log, session_id, run_id)
    if run.state == FINISHED and not cancelled:
        raise run_finished(run)
    return run


def _find(connection: sqlite3.Connection, log: int, session_id: str, run_id: str) -> tuple[Run, bool]:
    """A run of the session and whether it was cancelled; without an id the oldest that has not ended."""
    where, values = ("run_id = ?", (log, run_id)) if run_id else (f"parent = '' AND {UNFINISHED}", (log,))
    row = connection.execute(
        f"SELECT record, cancelled FROM runs WHERE log = ? AND {where} ORDER BY ordinal LIMIT 1",  # noqa: S608 - constants
        values,
    ).fetchone()
    if row is None:
        raise run_not_found(session_id, run_id)
    return Run.FromString(row[0]), bool(row[1])


def deliver_input(
    connection: sqlite3.Connection,
    principal: str,
    session_id: str,
    run_id: str,
    request: Once | None,
    compose: Callable[[Run], Draft],
) -> Changed:
    """Give an input to a run."""
    appended: list[StoredEvent] = []

    def change() -> bytes:
        log = find_log(connection, principal, session_id)
        run, _ = _find(connection, log, session_id, run_id)
        if run.state == FINISHED:
            raise run_finished(run)
        appended.extend(events.append(connection, log, [compose(run)]))
        connection.execute("UPDATE runs SET inputs = inputs + 1 WHERE run_id = ?", (run.run_id,))
        return record_of(run)

    answer, made = once(connection, principal, request, change)
    return Changed(Run.FromString(answer), appended, made)


def append(
    connection: sqlite3.Connection, claim: Claim, drafts: Sequence[Draft], run: Run | None, inputs_seen: int | None
) -> list[StoredEvent]:
    """Append under a claim and store the run's record if given. RUN_CLAIM_LOST, InputsWaitingError."""
    if inputs_seen is not None:
        row = connection.execute("SELECT inputs FROM runs WHERE run_id = ?", (claim.run_id,)).fetchone()
        if row is not None and row[0] != inputs_seen:
            raise InputsWaitingError(claim.run_id)
    log, appended = events.append_claimed(connection, claim, drafts)
    approvals.store_requested(connection, log, drafts)
    if run is None:
        return appended
    count_tokens(connection, run)
    if run.state == FINISHED:
        ends = [event for event in appended if event.kind == EventKind.EVENT_KIND_RUN_FINISHED]
        _finish(connection, run, ends[0].sequence)
    else:
        connection.execute("UPDATE runs SET record = ? WHERE run_id = ?", (record_of(run), run.run_id))
    return appended


def _finish(connection: sqlite3.Connection, run: Run, sequence: int) -> None:
    run.finish_sequence = sequence
    connection.execute(
        "UPDATE runs SET state = ?, record = ?, lease_until = 0, finish_sequence = ?, finish_time = ? WHERE run_id = ?",
        (FINISHED, record_of(run), sequence, run.finish_time.ToMicroseconds(), run.run_id),
    )
    if run.parent_run_id:
        return
    events.count_usage(connection, run.session_id, run.usage)
