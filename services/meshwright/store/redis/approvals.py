"""Approvals of the shared store: asked in the log, settled once."""

from __future__ import annotations

from collections.abc import Callable

from meshwright.store.interface import Draft, Page, SettledApproval
from meshwright.store.redis import keys
from meshwright.store.redis.connection import Client, answered
from meshwright.store.redis.plan import Plan, approval_field
from meshwright.store.redis.runs import check_owner
from meshwright.store.refusals import approval_closed, approval_not_found
from meshwright.v1.event_pb2 import Approval, ApprovalResolved


async def get(client: Client, principal: str, session_id: str, approval_id: str) -> SettledApproval:
    """Read an approval. SESSION_NOT_FOUND, APPROVAL_NOT_FOUND."""
    await check_owner(client, principal, session_id)
    fields = [approval_field(approval_id, "record"), approval_field(approval_id, "resolution")]
    record, resolution = await answered(client.hmget(keys.state(session_id), fields))
    if record is None:
        raise approval_not_found(approval_id)
    return _settled(record, resolution)


async def list_page(
    client: Client, principal: str, session_id: str, page: Page, *, pending_only: bool
) -> list[tuple[Approval, tuple[int, int]]]:
    """The newest first. SESSION_NOT_FOUND."""
    await check_owner(client, principal, session_id)
    listed = keys.pending(session_id) if pending_only else keys.approvals(session_id)
    before = f"({page.before[0]}" if page.before else "+inf"
    rows = await answered(client.zrevrangebyscore(listed, before, "-inf", start=0, num=page.limit, withscores=True))
    return [
        ((await get(client, principal, session_id, member.decode())).approval, (int(score), 0))
        for member, score in rows
    ]


def settling(
    principal: str, found: SettledApproval, decide: Callable[[Approval], tuple[ApprovalResolved, Draft]], signal: bytes
) -> tuple[Plan, list[Draft]]:
    """The plan that settles an approval; it changes nothing where the answer was given before. APPROVAL_CLOSED."""
    resolution, draft = decide(found.approval)
    plan = Plan(absent="session", guards=[("principal", principal, "session")], answer=(b"", b"", 0))
    if found.resolution is not None:
        if not _same_answer(found.resolution, resolution):
            raise approval_closed(found.approval)
        return plan, []
    approval_id = found.approval.approval_id
    field = approval_field(approval_id, "resolution")
    plan.guards.append((field, "", "moved"))
    plan.values[field] = resolution.SerializeToString()
    plan.removed.append((approval_id, keys.PENDING))
    plan.signal = signal
    return plan, [draft]


def _same_answer(first: ApprovalResolved, second: ApprovalResolved) -> bool:
    return (first.state, first.edited_arguments) == (second.state, second.edited_arguments)


def _settled(record: bytes, resolution: bytes | None) -> SettledApproval:
    approval = Approval.FromString(record)
    if resolution is None:
        return SettledApproval(approval, None)
    answer = ApprovalResolved.FromString(resolution)
    approval.state = answer.state
    return SettledApproval(approval, answer)
