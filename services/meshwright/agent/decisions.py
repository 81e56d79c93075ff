"""What a person's answer to an approval becomes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from google.protobuf.json_format import MessageToDict

from meshwright.serving.errors import MeshError
from meshwright.store.refusals import approval_closed
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.event_pb2 import Approval, ApprovalResolved, ApprovalState

if TYPE_CHECKING:
    from meshwright.agent.compose import Composer
    from meshwright.store.interface import Draft
    from meshwright.v1.agent_service_pb2 import ApprovalDecision


def decided(
    approval: Approval, decision: ApprovalDecision, composer: Composer, principal: str
) -> tuple[ApprovalResolved, Draft]:
    """The answer and its event, made by the run's composer.

    APPROVAL_CLOSED when it comes too late, TOOL_ARGUMENTS when edited arguments do not fit.
    """
    if approval.state == ApprovalState.APPROVAL_STATE_PENDING and approval.expire_time.ToNanoseconds() < time.time_ns():
        approval.state = ApprovalState.APPROVAL_STATE_EXPIRED
        raise approval_closed(approval)
    resolution = ApprovalResolved(
        approval_id=approval.approval_id,
        state=ApprovalState.APPROVAL_STATE_DENIED,
        comment=decision.comment,
        principal=principal,
    )
    if decision.HasField("approve"):
        resolution.state = ApprovalState.APPROVAL_STATE_APPROVED
        if decision.approve.HasField("edited_arguments"):
            _check(approval, decision)
            resolution.edited_arguments.CopyFrom(decision.approve.edited_arguments)
    return resolution, composer.draft(approval_resolved=resolution)


def _check(approval: Approval, decision: ApprovalDecision) -> None:
    # Imported here: few people edit arguments, and every agent would carry it in its memory.
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(MessageToDict(approval.arguments_schema))
    violations = [
        (".".join(["arguments", *map(str, error.path)]), f"does not fit the tool's schema ({error.validator})")
        for error in validator.iter_errors(MessageToDict(decision.approve.edited_arguments))
    ]
    if violations:
        raise MeshError(
            reasons.ERROR_REASON_TOOL_ARGUMENTS,
            "The edited arguments do not fit the tool.",
            metadata={"tool": approval.call.tool},
            violations=violations,
        )
