"""Which gRPC status code each ErrorReason travels with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grpc import StatusCode

from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.error_reason_pb2 import ErrorReason

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "ERROR_REASON_"

STATUS_CODES: Mapping[ErrorReason.ValueType, StatusCode] = {
    reasons.ERROR_REASON_INVALID_FIELDS: StatusCode.INVALID_ARGUMENT,
    reasons.ERROR_REASON_MALFORMED_MESSAGE: StatusCode.INVALID_ARGUMENT,
    reasons.ERROR_REASON_MESSAGE_TOO_LARGE: StatusCode.RESOURCE_EXHAUSTED,
    reasons.ERROR_REASON_NOT_IMPLEMENTED: StatusCode.UNIMPLEMENTED,
    reasons.ERROR_REASON_INTERNAL: StatusCode.INTERNAL,
    reasons.ERROR_REASON_DEADLINE_EXCEEDED: StatusCode.DEADLINE_EXCEEDED,
    reasons.ERROR_REASON_UNAVAILABLE: StatusCode.UNAVAILABLE,
    reasons.ERROR_REASON_REQUEST_ID_REUSED: StatusCode.ALREADY_EXISTS,
    reasons.ERROR_REASON_UNAUTHENTICATED: StatusCode.UNAUTHENTICATED,
    reasons.ERROR_REASON_QUOTA_EXCEEDED: StatusCode.RESOURCE_EXHAUSTED,
    reasons.ERROR_REASON_READER_TOO_SLOW: StatusCode.RESOURCE_EXHAUSTED,
    reasons.ERROR_REASON_STREAM_PROTOCOL: StatusCode.FAILED_PRECONDITION,
    reasons.ERROR_REASON_ORIGIN_NOT_ALLOWED: StatusCode.PERMISSION_DENIED,
    reasons.ERROR_REASON_INVALID_PAGE_TOKEN: StatusCode.INVALID_ARGUMENT,
    reasons.ERROR_REASON_SESSION_NOT_FOUND: StatusCode.NOT_FOUND,
    reasons.ERROR_REASON_RUN_NOT_FOUND: StatusCode.NOT_FOUND,
    reasons.ERROR_REASON_APPROVAL_NOT_FOUND: StatusCode.NOT_FOUND,
    reasons.ERROR_REASON_APPROVAL_CLOSED: StatusCode.FAILED_PRECONDITION,
    reasons.ERROR_REASON_RUN_FINISHED: StatusCode.FAILED_PRECONDITION,
    reasons.ERROR_REASON_SESSION_BUSY: StatusCode.FAILED_PRECONDITION,
    reasons.ERROR_REASON_ARTIFACT_NOT_FOUND: StatusCode.NOT_FOUND,
    reasons.ERROR_REASON_CURSOR_AHEAD: StatusCode.OUT_OF_RANGE,
    reasons.ERROR_REASON_RUN_CLAIM_LOST: StatusCode.ABORTED,
    reasons.ERROR_REASON_STEP_LIMIT_REACHED: StatusCode.RESOURCE_EXHAUSTED,
    reasons.ERROR_REASON_RUN_EXPIRED: StatusCode.DEADLINE_EXCEEDED,
    reasons.ERROR_REASON_BUDGET_EXHAUSTED: StatusCode.RESOURCE_EXHAUSTED,
    reasons.ERROR_REASON_MODEL_AUTHENTICATION: StatusCode.FAILED_PRECONDITION,
    reasons.ERROR_REASON_MODEL_NOT_FOUND: StatusCode.FAILED_PRECONDITION,
    reasons.ERROR_REASON_MODEL_RATE_LIMITED: StatusCode.RESOURCE_EXHAUSTED,
    reasons.ERROR_REASON_MODEL_UNAVAILABLE: StatusCode.UNAVAILABLE,
    reasons.ERROR_REASON_MODEL_REJECTED: StatusCode.FAILED_PRECONDITION,
    reasons.ERROR_REASON_MODEL_PROTOCOL: StatusCode.INTERNAL,
    reasons.ERROR_REASON_TOOL_NOT_FOUND: StatusCode.NOT_FOUND,
    reasons.ERROR_REASON_TOOL_ARGUMENTS: StatusCode.INVALID_ARGUMENT,
    reasons.ERROR_REASON_TOOL_FAILED: StatusCode.FAILED_PRECONDITION,
    reasons.ERROR_REASON_TOOL_CANCELLED: StatusCode.CANCELLED,
    reasons.ERROR_REASON_TOOL_OUTCOME_UNKNOWN: StatusCode.UNKNOWN,
    reasons.ERROR_REASON_TOOL_DENIED: StatusCode.PERMISSION_DENIED,
    reasons.ERROR_REASON_PATH_OUTSIDE_WORKSPACE: StatusCode.PERMISSION_DENIED,
    reasons.ERROR_REASON_FILE_NOT_FOUND: StatusCode.NOT_FOUND,
    reasons.ERROR_REASON_CALL_ID_IN_USE: StatusCode.ALREADY_EXISTS,
    reasons.ERROR_REASON_NO_BROWSER_AVAILABLE: StatusCode.RESOURCE_EXHAUSTED,
    reasons.ERROR_REASON_LEASE_NOT_FOUND: StatusCode.NOT_FOUND,
    reasons.ERROR_REASON_TAB_NOT_FOUND: StatusCode.NOT_FOUND,
    reasons.ERROR_REASON_STALE_REF: StatusCode.FAILED_PRECONDITION,
    reasons.ERROR_REASON_ELEMENT_NOT_ACTIONABLE: StatusCode.FAILED_PRECONDITION,
    reasons.ERROR_REASON_INVALID_URL: StatusCode.INVALID_ARGUMENT,
    reasons.ERROR_REASON_NAVIGATION_FAILED: StatusCode.FAILED_PRECONDITION,
    reasons.ERROR_REASON_BROWSER_CRASHED: StatusCode.UNAVAILABLE,
    reasons.ERROR_REASON_EGRESS_DENIED: StatusCode.PERMISSION_DENIED,
    reasons.ERROR_REASON_EVALUATE_DISABLED: StatusCode.PERMISSION_DENIED,
    reasons.ERROR_REASON_CONTROL_EPOCH_STALE: StatusCode.FAILED_PRECONDITION,
    reasons.ERROR_REASON_CONTROL_HELD: StatusCode.FAILED_PRECONDITION,
    reasons.ERROR_REASON_COMMAND_ID_IN_USE: StatusCode.ALREADY_EXISTS,
    reasons.ERROR_REASON_EVALUATE_FAILED: StatusCode.FAILED_PRECONDITION,
}
"""The default code of every reason that is ever sent; the comments of error_reason.proto promise the same."""

CODES_BY_NUMBER: Mapping[int, StatusCode] = {code.value[0]: code for code in StatusCode}
"""The gRPC code of each number that a google.rpc.Status can carry."""


def reason_name(reason: ErrorReason.ValueType) -> str:
    """The reason as it travels in an ErrorInfo: `SESSION_NOT_FOUND`."""
    return ErrorReason.Name(reason).removeprefix(PREFIX)


def reason_by_name(name: str) -> ErrorReason.ValueType | None:
    """The reason that an ErrorInfo names, or None when this version of the contract does not have it."""
    try:
        reason = ErrorReason.Value(PREFIX + name)
    except ValueError:
        return None
    return reason if reason in STATUS_CODES else None
