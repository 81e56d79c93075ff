"""From what gRPC and google.rpc say to the exceptions of the SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode

from meshwright.client import errors

if TYPE_CHECKING:
    from google.protobuf.message import Message

DOMAIN = "meshwright"
DETAILS_KEY = "grpc-status-details-bin"

_CODES = {code.value[0]: code for code in StatusCode}
_CLASSES: dict[StatusCode, type[errors.MeshError]] = {
    StatusCode.ABORTED: errors.FailedPrecondition,
    StatusCode.ALREADY_EXISTS: errors.AlreadyExists,
    StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
    StatusCode.FAILED_PRECONDITION: errors.FailedPrecondition,
    StatusCode.INTERNAL: errors.InternalError,
    StatusCode.INVALID_ARGUMENT: errors.InvalidArgument,
    StatusCode.NOT_FOUND: errors.NotFound,
    StatusCode.OUT_OF_RANGE: errors.OutOfRange,
    StatusCode.PERMISSION_DENIED: errors.PermissionDenied,
    StatusCode.RESOURCE_EXHAUSTED: errors.ResourceExhausted,
    StatusCode.UNAUTHENTICATED: errors.Unauthenticated,
    StatusCode.UNAVAILABLE: errors.Unavailable,
    StatusCode.UNIMPLEMENTED: errors.Unimplemented,
}
_CLASSES_BY_REASON: dict[str, type[errors.MeshError]] = {"QUOTA_EXCEEDED": errors.QuotaExceeded}


def error_from_rpc(error: grpc.aio.AioRpcError) -> errors.MeshError:
    """The exception for a failed call. One without an ErrorInfo has an empty reason: the mesh itself did not speak."""
    return error_from_status(_status_of(error))


def error_from_status(status: status_pb2.Status) -> errors.MeshError:
    """The exception that a google.rpc.Status describes, wherever it was found."""
    info = error_details_pb2.ErrorInfo()
    fields = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    found = [message for message in (info, fields, retry) if _unpack(status, message)]
    reason = info.reason if info.domain == DOMAIN else ""
    code = _CODES.get(status.code, StatusCode.UNKNOWN)
    cls = _CLASSES_BY_REASON.get(reason) or _CLASSES.get(code, errors.MeshError)
    return cls(
        status.message or code.name,
        reason=reason,
        code=code,
        metadata=dict(info.metadata),
        violations=tuple(errors.Violation(v.field, v.description) for v in fields.field_violations),
        retry_after=retry.retry_delay.ToMilliseconds() / 1000 if retry in found else None,
    )


def _status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                break
    return status_pb2.Status(code=error.code().value[0], message=error.details() or "")


def _unpack(status: status_pb2.Status, message: Message) -> bool:
    try:
        return any(packed.Unpack(message) for packed in status.details)
    except DecodeError:
        message.Clear()
        return False
