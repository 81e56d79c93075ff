"""The one exception with which the mesh refuses or fails a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from google.protobuf.message import DecodeError
from google.rpc import status_pb2
from grpc import StatusCode

from meshwright.serving import error_details
from meshwright.serving.error_details import Details, Quota, Violation, fit_text
from meshwright.serving.reasons import CODES_BY_NUMBER, STATUS_CODES, reason_by_name, reason_name
from meshwright.v1 import error_reason_pb2 as reasons

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from meshwright.v1.error_reason_pb2 import ErrorReason

__all__ = ["DOMAIN", "MeshError", "Quota", "Violation"]

DOMAIN = "meshwright"
DETAILS_KEY = "grpc-status-details-bin"
ELSEWHERE_KEY = "x-meshwright-elsewhere"
"""Metadata key of a refusal that a proxy may answer by asking another replica."""
DEFAULT_RETRY_SECONDS = 1.0
RETRYABLE = frozenset({StatusCode.UNAVAILABLE, StatusCode.RESOURCE_EXHAUSTED})
NOT_RETRYABLE = frozenset(
    {
        reasons.ERROR_REASON_MESSAGE_TOO_LARGE,
        reasons.ERROR_REASON_STEP_LIMIT_REACHED,
        reasons.ERROR_REASON_BUDGET_EXHAUSTED,
    }
)


class MeshError(Exception):
    """An error of the contract: everything in it reaches the caller.

    `message` is for people, and every variable part of it stands in `metadata` too. Never put the text of another
    exception into either. The status code follows from the reason unless `code` says otherwise; `retry_after` is in
    seconds and defaults to 1 s where the code invites a retry. `elsewhere` says that another replica may be able to serve the
    request, and that this one has done nothing: the gateway then asks the next.
    """

    def __init__(
        self,
        reason: ErrorReason.ValueType,
        message: str,
        *,
        metadata: Mapping[str, object] | None = None,
        violations: Iterable[Violation | tuple[str, str]] = (),
        retry_after: float | None = None,
        quota: Quota | None = None,
        code: StatusCode | None = None,
        elsewhere: bool = False,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata: dict[str, str] = {key: fit_text(value) for key, value in (metadata or {}).items()}
        self.violations = tuple(Violation(*v) if isinstance(v, tuple) else v for v in violations)
        self.quota = quota
        self.elsewhere = elsewhere
        self.code = code or STATUS_CODES[reason]
        if retry_after is None and self.code in RETRYABLE and reason not in NOT_RETRYABLE:
            retry_after = DEFAULT_RETRY_SECONDS
        self.retry_after = retry_after
        if quota is not None:
            self.metadata = {"quota": quota.name, "limit": str(quota.limit), **self.metadata}

    @property
    def reason_name(self) -> str:
        """The reason as it travels: `SESSION_NOT_FOUND`."""
        return reason_name(self.reason)

    def to_status(self) -> status_pb2.Status:
        """The error as a google.rpc.Status with exactly one ErrorInfo, small enough for a trailer."""
        details = Details(
            reason=self.reason_name,
            domain=DOMAIN,
            metadata=self.metadata,
            violations=self.violations,
            retry_after=self.retry_after,
            quota=self.quota,
        )
        return error_details.pack(self.code.value[0], self.message, details)

    @classmethod
    def invalid_fields(cls, violations: Iterable[Violation | tuple[str, str]]) -> MeshError:
        """INVALID_FIELDS for the given field paths; the message names them."""
        found = tuple(Violation(*v) if isinstance(v, tuple) else v for v in violations)
        named = "; ".join(f"{v.field} {v.description}" for v in found)
        return cls(
            reasons.ERROR_REASON_INVALID_FIELDS,
            f"The request is invalid: {named}.",
            metadata={"count": len(found)},
            violations=found,
        )

    @classmethod
    def from_status(cls, status: status_pb2.Status, *, service: str = "") -> MeshError:
        """The error that a status of `service` says, to be handed on.

        A status without an ErrorInfo of ours becomes UNAVAILABLE, DEADLINE_EXCEEDED, NOT_IMPLEMENTED, UNAUTHENTICATED
        or INTERNAL, with a message of our own: nobody knows what the other text reveals.
        """
        details = error_details.unpack(status)
        reason = reason_by_name(details.reason) if details.domain == DOMAIN else None
        if reason is None:
            return _foreign(CODES_BY_NUMBER.get(status.code, StatusCode.UNKNOWN), service)
        return cls(
            reason,
            status.message,
            metadata=details.metadata,
            violations=details.violations,
            retry_after=details.retry_after,
            quota=details.quota,
            code=CODES_BY_NUMBER.get(status.code),
        )

    @classmethod
    def from_rpc_error(cls, error: grpc.aio.AioRpcError, *, service: str = "") -> MeshError:
        """The error of a failed call to `service`, to be handed on: `raise MeshError.from_rpc_error(e) from e`."""
        for key, value in error.trailing_metadata() or ():
            if key == DETAILS_KEY and isinstance(value, bytes):
                try:
                    return cls.from_status(status_pb2.Status.FromString(value), service=service)
                except DecodeError:
                    break
        unsent = error.code() is StatusCode.INTERNAL and error.details() == UNSENT
        return _foreign(StatusCode.CANCELLED if unsent else error.code(), service)


UNSENT = "Internal error from Core"
"""grpc.aio's word, over which it forgets the peer's status, where a call ended in the moment in which a message was to be sent."""
FOREIGN_REASONS: Mapping[StatusCode, tuple[ErrorReason.ValueType, str]] = {
    StatusCode.UNAVAILABLE: (reasons.ERROR_REASON_UNAVAILABLE, "cannot be reached"),
    StatusCode.CANCELLED: (reasons.ERROR_REASON_UNAVAILABLE, "gave the call up"),
    StatusCode.ABORTED: (reasons.ERROR_REASON_UNAVAILABLE, "gave the call up"),
    StatusCode.RESOURCE_EXHAUSTED: (reasons.ERROR_REASON_UNAVAILABLE, "is at its limits"),
    StatusCode.DEADLINE_EXCEEDED: (reasons.ERROR_REASON_DEADLINE_EXCEEDED, "did not answer in time"),
    StatusCode.UNIMPLEMENTED: (reasons.ERROR_REASON_NOT_IMPLEMENTED, "does not implement this"),
    StatusCode.UNAUTHENTICATED: (reasons.ERROR_REASON_UNAUTHENTICATED, "asks for valid credentials"),
}


def _foreign(code: StatusCode, service: str) -> MeshError:
    reason, what = FOREIGN_REASONS.get(code, (reasons.ERROR_REASON_INTERNAL, "failed"))
    name = service or "A service behind this one"
    return MeshError(reason, f"{name} {what}.", metadata={"service": service} if service else None)
