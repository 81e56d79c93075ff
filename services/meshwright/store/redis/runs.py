"""Runs of the shared store: what each change of one is to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from meshwright.store.interface import Claim, Draft, Page
from meshwright.store.redis import keys
from meshwright.store.redis.connection import Client, answered
from meshwright.store.redis.plan import FIRST_SEQUENCE, Plan, finish, run_field, store_requested
from meshwright.store.redis.sessions import title_after
from meshwright.store.refusals import run_finished, run_not_found, session_busy, session_not_found
from meshwright.v1.event_pb2 import EventKind
from meshwright.v1.run_pb2 import Run, RunState

QUEUED, ACTIVE, FINISHED = RunState.RUN_STATE_QUEUED, RunState.RUN_STATE_ACTIVE, RunState.RUN_STATE_FINISHED
RUN_FINISHED = EventKind.EVENT_KIND_RUN_FINISHED

MAX_LOOKS = 8
"""How often runs may end between two reads before it is said that there is none."""


class Found(NamedTuple):
    """A run as it was read, for a change that holds only if it has not moved since."""

    run: Run
    record: bytes
    cancelled: bool

    @property
    def guards(self) -> list[tuple[str, str | bytes, str]]:
        """What must still be so."""
        return [(run_field(self.run.run_id, "record"), self.record, "moved")]


async def check_owner(client: Client, principal: str, session_id: str) -> None:
    """SESSION_NOT_FOUND also where it belongs to somebody else."""
    owner = await answered(client.hget(keys.state(session_id), "principal"))
    if owner is None or owner.decode() != principal:
        raise session_not_found(session_id)


async def find(client: Client, principal: str, session_id: str, run_id: str) -> Found:
    """A run of the session; without an id the oldest that has not ended. SESSION_NOT_FOUND, RUN_NOT_FOUND."""
    await check_owner(client, principal, session_id)
    found = await (_read(client, session_id, run_id) if run_id else _oldest(client, session_id))
    if found is None:
        raise run_not_found(session_id, run_id)
    return found


async def _oldest(client: Client, session_id: str) -> Found | None:
    """The oldest run that has not ended. One that ends between the two reads is not it."""
    for _ in range(MAX_LOOKS):
        oldest = await answered(client.zrange(keys.open_runs(session_id), 0, 0))
        if not oldest:
            return None
        found = await _read(client, session_id, oldest[0].decode())
        if found is not None and found.run.state != FINISHED:
            return found
    return None


async def _read(client: Client, session_id: str, run_id: str) -> Found | None:
    record, cancelled = await answered(
        client.hmget(keys.state(session_id), [run_field(run_id, "record"), run_field(run_id, "cancelled")])
    )
    return None if record is None else Found(Run.FromString(record), record, cancelled is not None)


async def list_page(client: Client, principal: str, session_id: str, page: Page) -> list[tuple[Run, tuple[int, int]]]:
    """The newest first. SESSION_NOT_FOUND."""
    await check_owner(client, principal, session_id)
    before = f"({page.before[0]}" if page.before else "+inf"
    rows = await answered(
        client.zrevrangebyscore(keys.runs(session_id), before, "-inf", start=0, num=page.limit, withscores=True)
    )
    if not rows:
        return []
    fields = [run_field(member.decode(), "record") for member, _ in rows]
    records = await answered(client.hmget(keys.state(session_id), fields))
    return [
        (Run.FromString(record), (int(score), 0)) for (_, score), record in zip(rows, records, strict=True) if record
    ]


async def enqueueing(client: Client, principal: str, run: Run, *, reject_if_busy: bool) -> Plan:
    """The plan that puts a run behind the session's others. SESSION_BUSY."""
    run.ClearField("first_sequence")
    record = run.SerializeToString()
    plan = Plan(
        absent="session",
        guards=[("principal", principal, "session")],
        values={run_field(run.run_id, "state"): str(QUEUED), run_field(run.run_id, "token"): "0"},
        defaults=title_after(run.spec.task),
        placed=[(run_field(run.run_id, "record"), record, FIRST_SEQUENCE, 0)],
        answer=(record, FIRST_SEQUENCE, 0),
        added=[(run.run_id, keys.RUNS, keys.OPEN)],
    )
    if reject_if_busy:
        plan.guards.append(("ordinals", await _idle_at(client, run.session_id), "moved"))
    return plan


async def _idle_at(client: Client, session_id: str) -> bytes:
    """What the session's count of runs and approvals was when it had no run at work. SESSION_BUSY."""
    count = await answered(client.hget(keys.state(session_id), "ordinals"))
    oldest = await answered(client.zrange(keys.open_runs(session_id), 0, 0))
    if oldest:
        raise session_busy(session_id, oldest[0].decode())
    return bytes(count or b"")


def cancelling(
    principal: str, found: Found, settle: Callable[[Run], tuple[Run, Draft]], signal: bytes
) -> tuple[Plan, list[Draft]]:
    """The plan that asks for a run's end, or ends one that has not begun. RUN_FINISHED."""
    if found.run.state == FINISHED and not found.cancelled:
        raise run_finished(found.run)
    run_id = found.run.run_id
    plan = Plan(absent="session", guards=[("principal", principal, "session"), *found.guards])
    plan.values[run_field(run_id, "cancelled")] = "1"
    drafts = []
    plan.answer = (found.record, b"", 0)
    if found.run.state == QUEUED:
        run, draft = settle(found.run)
        drafts.append(draft)
        plan.answer = finish(plan, run, 0)
    elif found.run.state == ACTIVE:
        plan.signal = signal
    return plan, drafts


def delivering(
    principal: str, found: Found, compose: Callable[[Run], Draft], signal: bytes
) -> tuple[Plan, list[Draft]]:
    """The plan that gives a run an input. RUN_FINISHED."""
    if found.run.state == FINISHED:
        raise run_finished(found.run)
    run_id = found.run.run_id
    plan = Plan(
        absent="session",
        guards=[("principal", principal, "session"), *found.guards],
        counts={run_field(run_id, "inputs"): 1},
        answer=(found.record, b"", 0),
        signal=signal,
    )
    return plan, [compose(found.run)]


def appending(claim: Claim, drafts: Sequence[Draft], run: Run | None, inputs_seen: int | None) -> Plan:
    """The plan that appends under a claim and stores the run's record if given."""
    plan = Plan(absent="claim", guards=claim_guards(claim))
    if inputs_seen is not None:
        plan.guards.append(inputs_guard(claim.run_id, inputs_seen, "inputs"))
    store_requested(plan, drafts)
    if run is not None and run.state == FINISHED:
        ends = [index for index, draft in enumerate(drafts) if draft.kind == RUN_FINISHED]
        finish(plan, run, ends[0])
    elif run is not None:
        plan.values[run_field(run.run_id, "record")] = run.SerializeToString()
    return plan


def inputs_guard(run_id: str, known: int, code: str) -> tuple[str, str | bytes, str]:
    """What is so while a run was given no more inputs than are known."""
    return run_field(run_id, "inputs"), str(known) if known else "", code


def claim_guards(claim: Claim) -> list[tuple[str, str | bytes, str]]:
    """What is so while a claim holds."""
    return [
        (run_field(claim.run_id, "token"), str(claim.token), "claim"),
        (run_field(claim.run_id, "state"), str(ACTIVE), "claim"),
    ]
