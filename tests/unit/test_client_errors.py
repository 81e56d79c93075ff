"""From a gRPC status to the exception that a program catches."""

from __future__ import annotations

import inspect

import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode

import meshwright.client
from meshwright.client import errors
from meshwright.client.statuses import error_from_status

EXPECTED: dict[StatusCode, type[errors.MeshError]] = {
    StatusCode.ABORTED: errors.FailedPrecondition,
    StatusCode.ALREADY_EXISTS: errors.AlreadyExists,
    StatusCode.CANCELLED: errors.MeshError,
    StatusCode.DATA_LOSS: errors.MeshError,
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
    StatusCode.UNKNOWN: errors.MeshError,
}


def packed(code: StatusCode, *details: object) -> status_pb2.Status:
    status = status_pb2.Status(code=code.value[0], message="What happened.")
    for detail in details:
        status.details.add().Pack(detail)  # type: ignore[arg-type]  # all of them are messages
    return status


@pytest.mark.parametrize("code", [code for code in StatusCode if code is not StatusCode.OK])
def test_every_status_code_has_its_exception(code: StatusCode) -> None:
    error = error_from_status(packed(code))
    assert type(error) is EXPECTED[code]
    assert error.code is code
    assert str(error) == error.message == "What happened."
    assert (error.reason, dict(error.metadata), error.violations, error.retry_after) == ("", {}, (), None)


def test_the_details_are_read() -> None:
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(1500)
    violation = error_details_pb2.BadRequest.FieldViolation(field="spec.task", description="must not be empty")
    error = error_from_status(
        packed(
            StatusCode.INVALID_ARGUMENT,
            error_details_pb2.ErrorInfo(reason="INVALID_FIELDS", domain="meshwright", metadata={"count": "1"}),
            error_details_pb2.BadRequest(field_violations=[violation]),
            retry,
        )
    )
    assert error.reason == "INVALID_FIELDS"
    assert error.metadata == {"count": "1"}
    assert error.violations == (errors.Violation("spec.task", "must not be empty"),)
    assert error.retry_after == 1.5


def test_a_quota_can_be_told_from_other_limits() -> None:
    info = error_details_pb2.ErrorInfo(reason="QUOTA_EXCEEDED", domain="meshwright")
    error = error_from_status(packed(StatusCode.RESOURCE_EXHAUSTED, info))
    assert isinstance(error, errors.QuotaExceeded)
    assert isinstance(error, errors.ResourceExhausted)


def test_reasons_of_other_systems_are_not_ours() -> None:
    info = error_details_pb2.ErrorInfo(reason="SESSION_NOT_FOUND", domain="example.com")
    assert error_from_status(packed(StatusCode.NOT_FOUND, info)).reason == ""


def test_details_that_cannot_be_read_do_not_hide_the_error() -> None:
    status = packed(StatusCode.NOT_FOUND)
    broken = status.details.add()
    broken.Pack(error_details_pb2.ErrorInfo())
    broken.value = b"\xff\xff\xff"
    error = error_from_status(status)
    assert isinstance(error, errors.NotFound)
    assert error.message == "What happened."


def test_all_exceptions_are_public_and_of_one_family() -> None:
    classes = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, Exception)]
    assert all(issubclass(cls, errors.MeshError) for cls in classes)
    assert {cls.__name__ for cls in classes} <= set(meshwright.client.__all__)
