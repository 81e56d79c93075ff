"""The parts that events and descriptions are made of: usage, files, questions."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from meshwright.client import wire

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from typing import Any, Self

    from meshwright.client.enums import ApprovalState, SteeringMode, SteeringState
    from meshwright.client.errors import MeshError
    from meshwright.v1 import artifact_pb2, event_pb2, run_pb2

MICROS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What was consumed."""

    input_tokens: int
    """Tokens given to models, cached ones included."""
    output_tokens: int
    """Tokens made by models, reasoning included."""
    cached_input_tokens: int
    """Those of input_tokens that the provider had cached."""
    reasoning_tokens: int
    """Those of output_tokens that were reasoning."""
    model_calls: int
    """Number of model calls."""
    tool_calls: int
    """Number of tool calls."""
    browser_duration: timedelta
    """Time during which a browser was held."""
    cost_micros: int | None
    """Cost in millionths of the currency; None where a price is not known."""
    currency_code: str
    """ISO 4217 code of the currency; empty without a cost."""

    @property
    def cost(self) -> Decimal | None:
        """Cost in the currency; None where a price is not known."""
        return None if self.cost_micros is None else Decimal(self.cost_micros) / MICROS

    @classmethod
    def read(cls, proto: run_pb2.Usage) -> Self:
        """The values of a message."""
        return cls(
            input_tokens=proto.input_tokens,
            output_tokens=proto.output_tokens,
            cached_input_tokens=proto.cached_input_tokens,
            reasoning_tokens=proto.reasoning_tokens,
            model_calls=proto.model_calls,
            tool_calls=proto.tool_calls,
            browser_duration=wire.duration_of(proto.browser_duration),
            cost_micros=proto.cost_micros if proto.HasField("cost_micros") else None,
            currency_code=proto.currency_code,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A file of a session: a screenshot, a PDF, a download."""

    artifact_id: str
    name: str
    """File name for people, without folders."""
    media_type: str
    """Such as `image/jpeg`."""
    size_bytes: int
    sha256: bytes
    data: bytes | None = field(repr=False)
    """The content where it came along, as small ones do; otherwise None: read it with `Session.artifact`."""
    width: int
    """In pixels, for images; 0 otherwise."""
    height: int
    """In pixels, for images; 0 otherwise."""
    description: str
    """What it shows."""
    proto: artifact_pb2.Artifact = field(repr=False, compare=False)

    @classmethod
    def read(cls, proto: artifact_pb2.Artifact) -> Self:
        """The values of a message."""
        return cls(
            artifact_id=proto.artifact_id,
            name=proto.name,
            media_type=proto.media_type,
            size_bytes=proto.size_bytes,
            sha256=proto.sha256,
            data=proto.inline_data if proto.inline_data or proto.size_bytes == 0 else None,
            width=proto.width,
            height=proto.height,
            description=proto.description,
            proto=proto,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A question to a person: may this tool be called like this?"""

    approval_id: str
    run_id: str
    call_id: str
    tool: str
    """Name of the tool that would be called."""
    arguments: dict[str, Any]
    """The arguments that the model chose."""
    arguments_schema: dict[str, Any]
    """JSON Schema that edited arguments must fit."""
    reason: str
    """Why a person is asked."""
    state: ApprovalState
    create_time: datetime | None
    expire_time: datetime | None
    proto: event_pb2.Approval = field(repr=False, compare=False)

    @classmethod
    def read(cls, proto: event_pb2.Approval) -> Self:
        """The values of a message."""
        return cls(
            approval_id=proto.approval_id,
            run_id=proto.run_id,
            call_id=proto.call.call_id,
            tool=proto.call.tool,
            arguments=wire.struct_of(proto.call.arguments),
            arguments_schema=wire.struct_of(proto.arguments_schema),
            reason=proto.reason,
            state=wire.APPROVAL_STATES[proto.state],
            create_time=wire.optional_time(proto, "create_time"),
            expire_time=wire.optional_time(proto, "expire_time"),
            proto=proto,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SteeringStatus:
    """What has become of an input to a run so far. The rest of its story comes as SteeringReceipt events."""

    steering_id: str
    """The request id with which it came."""
    mode: SteeringMode
    state: SteeringState
    text: str
    """The input."""
    applied_sequence: int
    """Sequence of the message by which it was applied; 0 otherwise."""
    error: MeshError | None
    """Why it was returned."""
    enqueued_run_id: str
    """The run that an ENQUEUE became; empty otherwise."""
    proto: event_pb2.SteeringReceipt = field(repr=False, compare=False)

    @classmethod
    def read(cls, proto: event_pb2.SteeringReceipt) -> Self:
        """The values of a message."""
        return cls(
            steering_id=proto.steering_id,
            mode=wire.STEERING_MODES[proto.mode],
            state=wire.STEERING_STATES[proto.state],
            text=proto.text,
            applied_sequence=proto.applied_sequence,
            error=wire.optional_error(proto, "reason"),
            enqueued_run_id=proto.enqueued_run_id,
            proto=proto,
        )
