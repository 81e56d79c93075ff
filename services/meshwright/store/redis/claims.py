"""Claiming runs: who gets one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from meshwright.store.interface import Claim, ClaimedRun, Renewal
from meshwright.store.redis import keys, schedules
from meshwright.store.redis.connection import Client, answered
from meshwright.store.redis.plan import Plan, now, run_field
from meshwright.store.redis.runs import claim_guards, inputs_guard
from meshwright.store.redis.schedules import CANARY, STABLE, Entry
from meshwright.store.redis.sessions import timestamp
from meshwright.v1.run_pb2 import Run, RunState, Track

ACTIVE, FINISHED = str(RunState.RUN_STATE_ACTIVE).encode(), str(RunState.RUN_STATE_FINISHED).encode()

NEWS = ("cancelled", "steered")
"""What a renewal may have to tell, though the claim holds."""

CarryOut = Callable[[str, Plan], Awaitable[str]]
"""Carries out a plan on a session and gives the code of its outcome."""


class Oldest(NamedTuple):
    """The first run of a session that has not ended."""

    run: Run
    principal: str
    record: bytes
    state: bytes
    token: bytes
    until: int
    """When the lease on it is over; 0 where nobody has one."""
    cancelled: bool


class Claimant(NamedTuple):
    """A replica of a track that looks for a run to work on."""

    client: Client
    carry_out: CarryOut
    wake: Callable[[], Awaitable[None]]
    """Has everybody look for runs."""
    track: Track.ValueType
    owner: str
    lease_micros: int

    async def claim(self) -> ClaimedRun | None:
        """Claim the oldest run that is free."""
        while entries := await schedules.due(self.client, self.track):
            for entry in entries:
                claimed = await self._claim_of(entry)
                if claimed is not None:
                    return claimed
        return None

    async def _claim_of(self, entry: Entry) -> ClaimedRun | None:
        oldest = await _oldest(self.client, entry.session_id)
        if oldest is None:
            await schedules.drop(self.client, entry)
            return None
        if oldest.state == FINISHED:
            # It ended between the two looks of `_oldest`; the next look finds what comes after it.
            return None
        if self.track == CANARY and oldest.run.track != CANARY:
            await self._leave_to_stable(entry, oldest)
            return None
        free_at = oldest.until
        if self.track != CANARY and oldest.run.track == CANARY:
            free_at = await self._offered_at(entry, oldest) + schedules.HEAD_START_MICROS
        time = now()
        if free_at > time:
            await schedules.postpone(self.client, entry, free_at)
            return None
        return await self._take(entry, oldest, time)

    async def _leave_to_stable(self, entry: Entry, oldest: Oldest) -> None:
        time = now()
        if oldest.until <= time:
            await schedules.look_by(self.client, STABLE, entry.session_id, time)
            await self.wake()
        await schedules.drop(self.client, entry)

    async def _offered_at(self, entry: Entry, oldest: Oldest) -> int:
        """From when on the canary could have had its run, which is offered to it where it would not look in time."""
        time = now()
        free_at = max(time, oldest.until)
        if entry.offered is not None and entry.offered <= free_at:
            # It may have been offered the session for a run before this one.
            return max(entry.offered, oldest.until, oldest.run.create_time.ToMicroseconds())
        await schedules.look_by(self.client, CANARY, entry.session_id, free_at)
        if free_at == time:
            await self.wake()
        return free_at

    async def _take(self, entry: Entry, oldest: Oldest, time: int) -> ClaimedRun | None:
        session_id, until = entry.session_id, time + self.lease_micros
        claimed, plan = _claiming(session_id, oldest, self.owner, time, until)
        run_id = claimed.claim.run_id
        if oldest.state == ACTIVE:
            await depose_descendants(self.client, session_id, run_id, plan)
        if await self.carry_out(session_id, plan) != "done" and not await _holds(self.client, session_id, run_id, plan):
            return None
        await schedules.taken(self.client, entry, until)
        return claimed


async def _holds(client: Client, session_id: str, run_id: str, plan: Plan) -> bool:
    """Whether the plan was carried out before, and its answer lost."""
    names = [run_field(run_id, name) for name in ("owner", "token", "until")]
    found = await answered(client.hmget(keys.state(session_id), names))
    return [value and value.decode() for value in found] == [plan.values[name] for name in names]


def _claiming(session_id: str, oldest: Oldest, owner: str, time: int, until: int) -> tuple[ClaimedRun, Plan]:
    run = oldest.run
    plan = held_anew(run, oldest.record, oldest.token, time, owner, until)
    if oldest.state == ACTIVE:
        plan.guards.append((run_field(run.run_id, "until"), str(oldest.until), "moved"))
    claim = Claim(session_id, run.run_id, int(oldest.token) + 1, oldest.principal)
    return ClaimedRun(claim, run, oldest.cancelled), plan


def held_anew(run: Run, record: bytes, token: bytes, time: int, owner: str, until: int) -> Plan:
    """The plan that gives a run, changed here to what it is then, to an owner, unless it has moved."""
    run.state = RunState.RUN_STATE_ACTIVE
    run.attempt += 1
    if not run.HasField("start_time"):
        run.start_time.CopyFrom(timestamp(time))

    def field(name: str) -> str:
        return run_field(run.run_id, name)

    return Plan(
        absent="moved",
        guards=[(field("record"), record, "moved"), (field("token"), token, "moved")],
        values={
            field("record"): run.SerializeToString(),
            field("state"): ACTIVE,
            field("token"): str(int(token) + 1),
            field("owner"): owner,
            field("until"): str(until),
        },
    )


async def depose_descendants(client: Client, session_id: str, run_id: str, plan: Plan) -> None:
    """Have the plan end the claims on a run's children and theirs: whoever held them was the run's holder before."""
    ordinals = await answered(client.hget(keys.state(session_id), "ordinals"))
    members = await answered(client.zrange(keys.children(session_id), 0, -1))
    plan.guards.append(("ordinals", ordinals or "", "moved"))
    for parent, _, child in (member.decode().partition("/") for member in members):
        if await _descends(client, session_id, parent, run_id):
            plan.counts[run_field(child, "token")] = 1


async def _descends(client: Client, session_id: str, run_id: str, ancestor: str) -> bool:
    """Whether a run is the ancestor, or one of its descendants, ended or not."""
    while run_id and run_id != ancestor:
        record = await answered(client.hget(keys.state(session_id), run_field(run_id, "record")))
        run_id = Run.FromString(record or b"").parent_run_id
    return run_id == ancestor


async def renew(
    carry_out: CarryOut, claims: Sequence[Claim], lease_micros: int, inputs_known: Mapping[Claim, int]
) -> Renewal:
    """See Store.renew_claims. All at once: one after the other they would take a busy replica longer than a lease."""
    until = str(now() + lease_micros)

    async def renewed(held: Claim) -> str:
        plan = Plan(absent="claim", guards=claim_guards(held), values={run_field(held.run_id, "until"): until})
        nothing_new: list[tuple[str, str | bytes, str]] = [(run_field(held.run_id, "cancelled"), "", "cancelled")]
        if held in inputs_known:
            nothing_new.append(inputs_guard(held.run_id, inputs_known[held], "steered"))
        code = await carry_out(held.session_id, replace(plan, guards=[*plan.guards, *nothing_new]))
        if code in NEWS:
            code = code if await carry_out(held.session_id, plan) == "done" else "claim"
        return code

    codes = await asyncio.gather(*(renewed(held) for held in claims))
    outcomes = list(zip(claims, codes, strict=True))
    return Renewal(
        [held for held, code in outcomes if code not in ("done", *NEWS)],
        [held for held, code in outcomes if code == "cancelled"],
        [held for held, code in outcomes if code == "steered"],
    )


async def release(client: Client, carry_out: CarryOut, claims: Sequence[Claim]) -> None:
    """Give claims up and have their sessions looked at now."""
    for held in claims:
        plan = Plan(
            absent="claim",
            guards=claim_guards(held),
            values={run_field(held.run_id, "until"): "0"},
            counts={run_field(held.run_id, "token"): 1},
        )
        await carry_out(held.session_id, plan)
        record = await answered(client.hget(keys.state(held.session_id), run_field(held.run_id, "record")))
        await schedules.run_left(client, held.session_id, Run.FromString(record or b"").track)


async def _oldest(client: Client, session_id: str) -> Oldest | None:
    first = await answered(client.zrange(keys.open_runs(session_id), 0, 0))
    if not first:
        return None
    run_id = first[0].decode()
    names = ["principal", *(run_field(run_id, name) for name in ("record", "state", "token", "until", "cancelled"))]
    principal, record, state, token, until, cancelled = await answered(client.hmget(keys.state(session_id), names))
    if record is None:
        return None
    run = Run.FromString(record)
    return Oldest(run, principal.decode(), record, state, token, int(until or 0), cancelled is not None)
