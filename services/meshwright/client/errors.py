"""Every exception that the SDK raises for what the mesh says.

They read as what happened (`except NotFound`), like the status codes of gRPC that they stand for.
"""
# ruff: noqa: N818

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from grpc import StatusCode

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Violation:
    """One field of a request that breaks the contract."""

    field: str
    """Path of the field: `spec.task`."""
    description: str
    """What it must be: `must not be empty`."""


class MeshError(Exception):
    """Something that the mesh refused or could not do.

    Catch a subclass for a kind of error, or compare `reason` for one cause. `str(error)` is for people.
    """

    default_code: ClassVar[StatusCode] = StatusCode.UNKNOWN

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        code: StatusCode | None = None,
        metadata: Mapping[str, str] | None = None,
        violations: tuple[Violation, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        """What happened, for people."""
        self.reason = reason
        """Machine-readable cause, such as `SESSION_NOT_FOUND`: a value of ErrorReason without its prefix. Empty when
        something between the mesh and here failed."""
        self.code = code or self.default_code
        """The gRPC status code."""
        self.metadata: Mapping[str, str] = dict(metadata or {})
        """The variable parts of the message, by stable keys."""
        self.violations = violations
        """The fields that break the contract, all at once; for InvalidArgument."""
        self.retry_after = retry_after
        """Seconds after which trying again makes sense; None where the mesh does not say."""


class InvalidArgument(MeshError):
    """A request has fields that are missing, malformed or out of bounds: see `violations`."""

    default_code = StatusCode.INVALID_ARGUMENT


class OutOfRange(MeshError):
    """A cursor lies after the session's last event."""

    default_code = StatusCode.OUT_OF_RANGE


class NotFound(MeshError):
    """There is no such session, run, artifact or approval, or it belongs to somebody else."""

    default_code = StatusCode.NOT_FOUND


class AlreadyExists(MeshError):
    """A request id was used before with another request."""

    default_code = StatusCode.ALREADY_EXISTS


class FailedPrecondition(MeshError):
    """The state of things does not allow it, such as cancelling a run that has ended."""

    default_code = StatusCode.FAILED_PRECONDITION


class Unauthenticated(MeshError):
    """The mesh asks for a token, or does not take the one that it was shown: `metadata["cause"]` says why.

    Give `Mesh` a `token`, or set MESHWRIGHT_TOKEN or MESHWRIGHT_TOKEN_FILE. With a function that gives tokens this is raised only when
    a new one was refused as well.
    """

    default_code = StatusCode.UNAUTHENTICATED


class PermissionDenied(MeshError):
    """The credentials, or a policy, do not allow it."""

    default_code = StatusCode.PERMISSION_DENIED


class ResourceExhausted(MeshError):
    """A limit is reached: see `retry_after`."""

    default_code = StatusCode.RESOURCE_EXHAUSTED


class QuotaExceeded(ResourceExhausted):
    """A quota of the caller is used up: `metadata` has its name as `quota` and its `limit`."""


class DeadlineExceeded(MeshError):
    """No answer came in time. A call that changes something may have taken effect."""

    default_code = StatusCode.DEADLINE_EXCEEDED


class Unavailable(MeshError):
    """The mesh cannot be reached, or a part of it cannot. The message says what to do."""

    default_code = StatusCode.UNAVAILABLE


class Unimplemented(MeshError):
    """This mesh does not implement the call; it may be older than the SDK."""

    default_code = StatusCode.UNIMPLEMENTED


class InternalError(MeshError):
    """A defect of the mesh: `metadata["error_id"]` finds it in the server's log."""

    default_code = StatusCode.INTERNAL


class RunError(MeshError):
    """A run ended without an answer; `reason`, `code` and the rest tell why."""

    def __init__(
        self,
        message: str,
        *,
        session_id: str,
        run_id: str,
        reason: str = "",
        code: StatusCode | None = None,
        metadata: Mapping[str, str] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, reason=reason, code=code, metadata=metadata, retry_after=retry_after)
        self.session_id = session_id
        """The session of the run."""
        self.run_id = run_id
        """The run; its events tell the whole story."""


class RunFailed(RunError):
    """The run could not go on, for example because the model's provider refused its key."""


class RunCancelled(RunError):
    """Somebody cancelled the run."""

    default_code = StatusCode.CANCELLED


class RunExpired(RunError):
    """The run's time was over."""

    default_code = StatusCode.DEADLINE_EXCEEDED
