"""Runs that other runs delegate: held from their beginning by whoever holds their parent."""

from __future__ import annotations

from meshwright.store.interface import Claim, ClaimedRun
from meshwright.store.redis import keys
from meshwright.store.redis.claims import depose_descendants, held_anew
from meshwright.store.redis.connection import Client, answered
from meshwright.store.redis.plan import FIRST_SEQUENCE, Plan, child_member, now, run_field
from meshwright.store.redis.runs import ACTIVE, FINISHED, claim_guards
from meshwright.store.redis.sessions import timestamp
from meshwright.store.refusals import claim_lost, run_finished, run_not_found
from meshwright.v1.run_pb2 import Run


async def enqueueing(client: Client, claim: Claim, run: Run) -> tuple[ClaimedRun, Plan]:
    """The child as it is held from now on, and the plan that stores it."""
    run.ClearField("first_sequence")
    run.parent_run_id, run.state, run.attempt = claim.run_id, ACTIVE, 1
    if not run.HasField("start_time"):
        run.start_time.CopyFrom(timestamp(now()))
    owner = await answered(client.hget(keys.state(claim.session_id), run_field(claim.run_id, "owner")))
    plan = Plan(
        absent="claim",
        guards=claim_guards(claim),
        values={
            run_field(run.run_id, "state"): str(ACTIVE),
            run_field(run.run_id, "token"): "1",
            run_field(run.run_id, "owner"): owner or "",
            run_field(run.run_id, "until"): "0",
        },
        placed=[(run_field(run.run_id, "record"), run.SerializeToString(), FIRST_SEQUENCE, 0)],
        added=[(run.run_id, keys.RUNS), (child_member(claim.run_id, run.run_id), keys.CHILDREN)],
    )
    return ClaimedRun(Claim(claim.session_id, run.run_id, 1, claim.principal), run, cancelled=False), plan


async def claiming(client: Client, claim: Claim, run_id: str) -> tuple[ClaimedRun, Plan]:
    """A child as it is held anew, and the plan for that. RUN_CLAIM_LOST, RUN_NOT_FOUND, RUN_FINISHED."""
    names = [run_field(claim.run_id, "token"), run_field(claim.run_id, "owner")]
    names += [run_field(run_id, name) for name in ("record", "token", "cancelled")]
    parents, owner, record, token, cancelled = await answered(client.hmget(keys.state(claim.session_id), names))
    if parents != str(claim.token).encode():
        raise claim_lost(claim.run_id)
    if record is None or Run.FromString(record).parent_run_id != claim.run_id:
        raise run_not_found(claim.session_id, run_id)
    run = Run.FromString(record)
    if run.state == FINISHED:
        raise run_finished(run)
    plan = held_anew(run, record, token, now(), (owner or b"").decode(), 0)
    plan.guards += claim_guards(claim)
    await depose_descendants(client, claim.session_id, run_id, plan)
    return ClaimedRun(
        Claim(claim.session_id, run_id, int(token) + 1, claim.principal), run, cancelled is not None
    ), plan
