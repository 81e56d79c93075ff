"""Sessions of the shared store."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.timestamp_pb2 import Timestamp

from meshwright.store.interface import Page
from meshwright.store.redis import keys
from meshwright.store.redis.connection import Client, answered
from meshwright.store.redis.plan import COUNTED, Plan, now, run_field
from meshwright.store.refusals import session_not_found
from meshwright.v1.run_pb2 import RunState, Usage
from meshwright.v1.session_pb2 import Session

FIELDS = ("principal", "record", "title", "created", "updated", "first", "last", "usage/currency", "usage/cost_micros")
COUNTS = (*(f"usage/{name}" for name in COUNTED), "usage/browser_micros")
TITLE_CHARACTERS = 80


def creation(session: Session, session_id: str) -> Plan:
    """The plan that makes a session; its answer is the session."""
    time = now()
    made = Session(title=session.title, labels=session.labels, model=session.model)
    plan = Plan(
        values={
            "principal": session.principal,
            "record": made.SerializeToString(),
            "created": str(time),
            "updated": str(time),
            "last": "0",
        }
    )
    if session.title:
        plan.values["title"] = session.title
    made.session_id, made.principal, made.first_sequence = session_id, session.principal, 1
    made.create_time.CopyFrom(timestamp(time))
    made.update_time.CopyFrom(timestamp(time))
    made.usage.SetInParent()
    plan.answer = (made.SerializeToString(), b"", 0)
    return plan


def deletion(principal: str, signal: bytes) -> Plan:
    """The plan that removes a session."""
    guards: list[tuple[str, str | bytes, str]] = [("principal", principal, "session")]
    return Plan(absent="session", guards=guards, answer=(b"", b"", 0), signal=signal, drop=True)


def title_after(task: str) -> dict[str, str]:
    """The field that names a session which has no title after its first task."""
    line = " ".join(task.split())
    return {"title": line if len(line) <= TITLE_CHARACTERS else line[: TITLE_CHARACTERS - 1] + "…"}


async def get(client: Client, principal: str, session_id: str) -> Session:
    """Read a session. SESSION_NOT_FOUND."""
    found = await find(client, session_id)
    if found is None or found.principal != principal:
        raise session_not_found(session_id)
    return found


async def find(client: Client, session_id: str) -> Session | None:
    """Read a session, whoever owns it."""
    open_runs = keys.open_runs(session_id)
    values, oldest, unfinished = await answered(
        client.look(
            [
                ("HMGET", keys.state(session_id), *FIELDS, *COUNTS),
                ("ZRANGE", open_runs, 0, 0),
                ("ZCARD", open_runs),
            ]
        )
    )
    held = dict(zip(FIELDS + COUNTS, values, strict=True))
    if held["principal"] is None:
        return None
    session = _session(session_id, held)
    if oldest:
        run_id = oldest[0].decode()
        state = await answered(client.hget(keys.state(session_id), run_field(run_id, "state")))
        active = state == str(RunState.RUN_STATE_ACTIVE).encode()
        session.active_run_id = run_id if active else ""
        session.queued_runs = unfinished - active
    return session


def _session(session_id: str, held: Mapping[str, bytes | None]) -> Session:
    session = Session.FromString(held["record"] or b"")
    session.session_id = session_id
    session.principal = (held["principal"] or b"").decode()
    session.title = (held["title"] or b"").decode()
    session.create_time.CopyFrom(timestamp(_number(held["created"])))
    session.update_time.CopyFrom(timestamp(_number(held["updated"])))
    session.first_sequence = _number(held["first"]) or 1
    session.last_sequence = _number(held["last"])
    session.usage.CopyFrom(_usage(held))
    return session


def _usage(held: Mapping[str, bytes | None]) -> Usage:
    usage = Usage()
    for name in COUNTED:
        setattr(usage, name, _number(held[f"usage/{name}"]))
    if held["usage/browser_micros"] is not None:
        usage.browser_duration.FromMicroseconds(_number(held["usage/browser_micros"]))
    if held["usage/currency"] is not None:
        usage.currency_code = held["usage/currency"].decode()
        usage.cost_micros = _number(held["usage/cost_micros"])
    return usage


def timestamp(micros: int) -> Timestamp:
    """A stored time as a Timestamp."""
    return Timestamp(seconds=micros // 1_000_000, nanos=micros % 1_000_000 * 1000)


def _number(value: bytes | None) -> int:
    return int(value or 0)


async def list_page(client: Client, principal: str, page: Page) -> list[tuple[Session, tuple[int, int]]]:
    """The last used first.

    The sort key is the time and how many entries of that time have been shown, for two may be of one microsecond.
    """
    sessions: list[tuple[Session, tuple[int, int]]] = []
    before, shown = page.before or (2**53, 0)
    while len(sessions) < page.limit:
        missing = page.limit - len(sessions)
        rows = await answered(
            client.zrevrangebyscore(keys.sessions(principal), before, "-inf", start=shown, num=missing, withscores=True)
        )
        for member, score in rows:
            before, shown = (before, shown + 1) if int(score) == before else (int(score), 1)
            session = await find(client, member.decode())
            if session is not None:
                sessions.append((session, (before, shown)))
        if len(rows) < missing:
            break
    return sessions
