"""How a tool call ends that did not give a result, and the errors that say why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshwright.serving.errors import MeshError
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.event_pb2 import ApprovalState
from meshwright.v1.tool_pb2 import ToolCompletion, ToolOutcome

if TYPE_CHECKING:
    from meshwright.models.interface import ToolCall as Asked
    from meshwright.v1.event_pb2 import ApprovalResolved


def failed(error: MeshError) -> ToolCompletion:
    """The end of a call that failed, or could not be made."""
    return ToolCompletion(outcome=ToolOutcome.TOOL_OUTCOME_FAILED, error=error.to_status())


def no_such_tool(asked: Asked) -> MeshError:
    """TOOL_NOT_FOUND."""
    return MeshError(
        reasons.ERROR_REASON_TOOL_NOT_FOUND, "There is no such tool in this run.", metadata={"tool": asked.tool}
    )


def bad_arguments(asked: Asked) -> MeshError:
    """TOOL_ARGUMENTS for arguments that are no JSON object."""
    return MeshError(
        reasons.ERROR_REASON_TOOL_ARGUMENTS,
        f"The arguments could not be read: {asked.arguments_error}",
        metadata={"tool": asked.tool},
    )


def overdue(asked: Asked) -> MeshError:
    """UNAVAILABLE for a call whose end nobody told."""
    return MeshError(
        reasons.ERROR_REASON_UNAVAILABLE,
        "The tool service did not say in time how the call ended.",
        metadata={"tool": asked.tool},
    )


def denied(asked: Asked, answer: ApprovalResolved) -> ToolCompletion:
    """The end of a call that a person did not let be made, with what the person said."""
    who = (
        "Nobody approved the call in time"
        if answer.state == ApprovalState.APPROVAL_STATE_EXPIRED
        else "A person denied the call"
    )
    message = f"{who}: {answer.comment}" if answer.comment else f"{who}."
    error = MeshError(reasons.ERROR_REASON_TOOL_DENIED, message, metadata={"tool": asked.tool})
    return ToolCompletion(outcome=ToolOutcome.TOOL_OUTCOME_DENIED, error=error.to_status())


def cancelled() -> ToolCompletion:
    """The end of a call that was stopped, or not made any more."""
    error = MeshError(reasons.ERROR_REASON_TOOL_CANCELLED, "The call was cancelled.")
    return ToolCompletion(outcome=ToolOutcome.TOOL_OUTCOME_CANCELLED, error=error.to_status())
