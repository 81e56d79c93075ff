"""Answering the questions of runs that wait for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from meshwright.client.records import Approval
from meshwright.client.request_id import new_request_id
from meshwright.v1 import agent_service_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from meshwright.client.connection import Connection


def approval(arguments: Mapping[str, Any] | None, comment: str) -> pb.ApprovalDecision:
    """Yes, perhaps with other arguments than the model's."""
    decision = pb.ApprovalDecision(approve=pb.Approve(), comment=comment)
    if arguments is not None:
        decision.approve.edited_arguments.update(dict(arguments))
        decision.approve.edited_arguments.SetInParent()
    return decision


def denial(comment: str) -> pb.ApprovalDecision:
    """No."""
    return pb.ApprovalDecision(deny=pb.Deny(), comment=comment)


async def resolve(
    connection: Connection, session_id: str, approval_id: str, decision: pb.ApprovalDecision, request_id: str | None
) -> Approval:
    """Answer one question."""
    request = pb.ResolveApprovalRequest(
        request_id=request_id or new_request_id(), session_id=session_id, approval_id=approval_id, decision=decision
    )
    answer = await connection.call(lambda stub: stub.ResolveApproval, request, pb.ResolveApprovalResponse)
    return Approval.read(answer.approval)


async def list_approvals(
    connection: Connection, session_id: str, *, pending_only: bool, page_size: int
) -> AsyncIterator[Approval]:
    """The questions of a session, the newest first, fetched page by page."""
    token = ""
    while True:
        request = pb.ListApprovalsRequest(
            session_id=session_id, pending_only=pending_only, page_size=page_size, page_token=token
        )
        page = await connection.call(lambda stub: stub.ListApprovals, request, pb.ListApprovalsResponse)
        for found in page.approvals:
            yield Approval.read(found)
        token = page.next_page_token
        if not token:
            return
