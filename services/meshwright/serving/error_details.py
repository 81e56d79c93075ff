"""The google.rpc details of an error, kept small enough for an HTTP/2 trailer.

A gRPC message travels percent-encoded in one header and the details base64-encoded in another; by default a peer drops
trailers above 8 KiB altogether. Both are therefore cut to a budget here, so that an error always arrives.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from google.protobuf.message import Message

MAX_MESSAGE_HEADER_BYTES = 1536
"""The most that the message may take in its header, percent-encoded."""
MAX_STATUS_BYTES = 4096
"""The most that the serialised Status may take; base64 makes 5.5 KiB of it."""
MAX_VIOLATIONS = 32
MAX_METADATA_ENTRIES = 16
MAX_VALUE_CHARS = 256
MAX_RETRY_SECONDS = 86_400.0
ELLIPSIS = "..."


@dataclass(frozen=True, slots=True)
class Violation:
    """One field that breaks the contract."""

    field: str
    """Path of the field in the request: `start_run.task`, `calls[2].tool`, `labels[team]`."""
    description: str
    """What the field must be, in words that follow the path: `must not be empty`."""


@dataclass(frozen=True, slots=True)
class Quota:
    """The limit that is used up."""

    name: str
    """Name of the quota, such as `concurrent_runs`."""
    limit: int
    """What the caller may have at most."""
    subject: str = ""
    """Whose limit it is, such as `principal:alice`; empty for the server as a whole."""


@dataclass(frozen=True, slots=True)
class Details:
    """What the google.rpc details of a Status say."""

    reason: str = ""
    domain: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: tuple[Violation, ...] = ()
    retry_after: float | None = None
    quota: Quota | None = None


def pack(code: int, message: str, details: Details) -> status_pb2.Status:
    """A Status with the details, cut to what a trailer carries. Violations go first when there is too much."""
    message = fit_message(message)
    violations = list(details.violations[:MAX_VIOLATIONS])
    metadata = dict(list(details.metadata.items())[:MAX_METADATA_ENTRIES])
    while True:
        status = status_pb2.Status(code=code, message=message)
        status.details.extend(_packed(_messages(details, metadata, violations)))
        if status.ByteSize() <= MAX_STATUS_BYTES or not (violations or metadata):
            return status
        if violations:
            violations.pop()
        else:
            metadata.popitem()


def unpack(status: status_pb2.Status) -> Details:
    """The details of a Status of any sender; what is missing stays empty."""
    info = error_details_pb2.ErrorInfo()
    request = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    quota = error_details_pb2.QuotaFailure()
    found = {type(message) for message in (info, request, retry, quota) if _unpack_into(status, message)}
    return Details(
        reason=info.reason,
        domain=info.domain,
        metadata=dict(info.metadata),
        violations=tuple(Violation(v.field, v.description) for v in request.field_violations),
        retry_after=_seconds(retry.retry_delay) if type(retry) in found else None,
        quota=next((Quota(v.quota_id, v.quota_value, v.subject) for v in quota.violations), None),
    )


def fit_text(text: object, max_chars: int = MAX_VALUE_CHARS) -> str:
    """Text that protobuf accepts (no lone surrogates), cut to `max_chars`."""
    if isinstance(text, bool):
        return "true" if text else "false"
    clean = str(text).encode("utf-8", "replace").decode("utf-8")
    return clean if len(clean) <= max_chars else clean[: max_chars - len(ELLIPSIS)] + ELLIPSIS


def fit_message(message: str) -> str:
    """The message, cut so that it fits its header however many of its characters need escaping."""
    message = fit_text(message, MAX_MESSAGE_HEADER_BYTES)
    if _header_size(message) <= MAX_MESSAGE_HEADER_BYTES:
        return message
    size = len(ELLIPSIS)
    for end, character in enumerate(message):
        size += _header_size(character)
        if size > MAX_MESSAGE_HEADER_BYTES:
            return message[:end] + ELLIPSIS
    return message


def _header_size(text: str) -> int:
    return len(quote(text, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"))


def _messages(details: Details, metadata: Mapping[str, str], violations: Iterable[Violation]) -> Iterator[Message]:
    yield error_details_pb2.ErrorInfo(
        reason=details.reason,
        domain=details.domain,
        metadata={fit_text(key, 64): fit_text(value) for key, value in metadata.items()},
    )
    fields = [
        error_details_pb2.BadRequest.FieldViolation(field=fit_text(v.field), description=fit_text(v.description))
        for v in violations
    ]
    if fields:
        yield error_details_pb2.BadRequest(field_violations=fields)
    if details.retry_after is not None:
        yield error_details_pb2.RetryInfo(retry_delay=_duration(details.retry_after))
    if details.quota is not None:
        yield _quota_failure(details.quota)


def _quota_failure(quota: Quota) -> error_details_pb2.QuotaFailure:
    violation = error_details_pb2.QuotaFailure.Violation(
        subject=fit_text(quota.subject or quota.name),
        description=fit_text(f"{quota.name}: at most {quota.limit}"),
        quota_id=fit_text(quota.name),
        quota_value=quota.limit,
    )
    return error_details_pb2.QuotaFailure(violations=[violation])


def _packed(messages: Iterable[Message]) -> Iterator[Any]:
    for message in messages:
        packed = Any()
        packed.Pack(message)
        yield packed


def _unpack_into(status: status_pb2.Status, message: Message) -> bool:
    try:
        return any(packed.Unpack(message) for packed in status.details)
    except DecodeError:
        message.Clear()
        return False


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromMilliseconds(round(min(max(seconds, 0.0), MAX_RETRY_SECONDS) * 1000))
    return duration


def _seconds(duration: Duration) -> float:
    return duration.ToMilliseconds() / 1000
