"""From protobuf's types to Python's, and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf import json_format

from meshwright.client import enums
from meshwright.client.statuses import error_from_status
from meshwright.v1 import event_pb2, run_pb2, tool_pb2

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor
    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.message import Message
    from google.protobuf.struct_pb2 import Struct
    from google.protobuf.timestamp_pb2 import Timestamp
    from google.rpc.status_pb2 import Status

    from meshwright.client.errors import MeshError

E = TypeVar("E", bound=StrEnum)


class _Members(dict[int, E]):
    """The members of a Python enum by the numbers of the contract's enum of the same name."""

    def __init__(self, cls: type[E], descriptor: EnumDescriptor, unknown: E) -> None:
        prefix = "".join(f"_{c}" if c.isupper() else c.upper() for c in cls.__name__).lstrip("_") + "_"
        names = {value.name.removeprefix(prefix): value.number for value in descriptor.values}
        super().__init__({names[name]: member for name, member in cls.__members__.items() if name in names})
        self._unknown = unknown

    def __missing__(self, _number: int) -> E:
        return self._unknown


RUN_STATES = _Members(enums.RunState, run_pb2.RunState.DESCRIPTOR, enums.RunState.UNKNOWN)
RUN_OUTCOMES = _Members(enums.RunOutcome, run_pb2.RunOutcome.DESCRIPTOR, enums.RunOutcome.UNKNOWN)
TRACKS = _Members(enums.Track, run_pb2.Track.DESCRIPTOR, enums.Track.UNKNOWN)
STEERING_MODES = _Members(enums.SteeringMode, run_pb2.SteeringMode.DESCRIPTOR, enums.SteeringMode.UNKNOWN)
STEERING_STATES = _Members(enums.SteeringState, event_pb2.SteeringState.DESCRIPTOR, enums.SteeringState.UNKNOWN)
ROLES = _Members(enums.Role, event_pb2.Role.DESCRIPTOR, enums.Role.UNKNOWN)
TOOL_OUTCOMES = _Members(enums.ToolOutcome, tool_pb2.ToolOutcome.DESCRIPTOR, enums.ToolOutcome.UNSPECIFIED)
APPROVAL_STATES = _Members(enums.ApprovalState, event_pb2.ApprovalState.DESCRIPTOR, enums.ApprovalState.UNKNOWN)
NOTICE_LEVELS = _Members(enums.NoticeLevel, event_pb2.NoticeLevel.DESCRIPTOR, enums.NoticeLevel.UNKNOWN)


def time_of(message: Timestamp) -> datetime:
    """The time, in UTC, to the microsecond."""
    return datetime.fromtimestamp(message.seconds, UTC).replace(microsecond=message.nanos // 1000)


def optional_time(owner: Message, field: str) -> datetime | None:
    """The time in a field, or None where it is not set."""
    return time_of(getattr(owner, field)) if owner.HasField(field) else None


def duration_of(message: Duration) -> timedelta:
    """The duration, to the microsecond."""
    return timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)


def optional_duration(owner: Message, field: str) -> timedelta | None:
    """The duration in a field, or None where it is not set."""
    return duration_of(getattr(owner, field)) if owner.HasField(field) else None


def optional_struct(owner: Message, field: str) -> dict[str, Any] | None:
    """The JSON object in a field, or None where it is not set."""
    return struct_of(getattr(owner, field)) if owner.HasField(field) else None


def optional_error(owner: Message, field: str) -> MeshError | None:
    """The error that the Status in a field describes, or None where it is not set."""
    return error_of(getattr(owner, field)) if owner.HasField(field) else None


def error_of(status: Status) -> MeshError:
    """The error that a Status describes."""
    return error_from_status(status)


def struct_of(message: Struct) -> dict[str, Any]:
    """The JSON object; whole numbers are ints, as they were meant."""
    found: dict[str, Any] = _whole(json_format.MessageToDict(message))
    return found


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {key: _whole(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    return value
