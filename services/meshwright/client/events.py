"""The agent protocol as typed values: one frozen class for each kind of event.

match event:
    case TextDelta(text=text): ...
    case ToolCallFinished(tool=tool, outcome=ToolOutcome.FAILED, error=error): ...
    case RunFinished(answer=answer): ...
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from meshwright.client import wire
from meshwright.client.enums import RunOutcome
from meshwright.client.errors import RunCancelled, RunError, RunExpired, RunFailed

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from meshwright.client.enums import ApprovalState, NoticeLevel, Role, SteeringMode, SteeringState, ToolOutcome
    from meshwright.client.errors import MeshError
    from meshwright.client.records import Approval, Artifact, Usage
    from meshwright.v1 import agent_service_pb2, event_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One entry of a session's log."""

    session_id: str
    """The session it belongs to."""
    run_id: str
    """The run it belongs to; empty for events of the session itself."""
    sequence: int
    """Position in the session's log: 1, 2, 3, ... It is a cursor: watching after it shows what follows."""
    proto: event_pb2.Event = field(repr=False, compare=False)
    """The event as it came."""

    @property
    def time(self) -> datetime:
        """When it happened, in UTC."""
        return wire.time_of(self.proto.time)

    @property
    def agent_path(self) -> tuple[str, ...]:
        """Run ids from the root run's child down to the sub-agent that made it; empty for the root agent."""
        return tuple(self.proto.agent_path)

    @property
    def traceparent(self) -> str:
        """W3C trace context of the span that made it, or empty."""
        return self.proto.traceparent


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQueued(Event):
    """A run was accepted. The first event of every run."""

    task: str
    """What it is asked to do."""
    model: str
    """The model that will answer."""
    parent_run_id: str
    """The run that delegated it, or empty."""
    parent_call_id: str
    """The tool call by which it was delegated, or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A worker took the run."""

    attempt: int
    """1 for the first worker, more after a takeover."""
    model: str
    """The model that answers, such as `openai:gpt-5` or `offline`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    """The run ended: its last event."""

    outcome: RunOutcome
    error: MeshError | None
    """Why it failed or expired."""
    answer: str
    """The final answer of a completed run, whole."""
    usage: Usage
    """What the run used in all."""
    duration: timedelta
    """From its start to its end."""

    def raise_for_outcome(self) -> None:
        """Raise RunFailed, RunCancelled or RunExpired unless the run completed."""
        if self.outcome is RunOutcome.COMPLETED:
            return
        cls: type[RunError] = {RunOutcome.CANCELLED: RunCancelled, RunOutcome.EXPIRED: RunExpired}.get(
            self.outcome, RunFailed
        )
        if self.error is None:
            raise cls(f"The run was {self.outcome}.", session_id=self.session_id, run_id=self.run_id)
        raise cls(
            self.error.message,
            session_id=self.session_id,
            run_id=self.run_id,
            reason=self.error.reason,
            code=self.error.code,
            metadata=self.error.metadata,
            retry_after=self.error.retry_after,
        ) from self.error


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Event):
    """Something said, whole. The text deltas of the same message_id, joined, are its text."""

    message_id: str
    role: Role
    text: str
    """What was said, in Markdown."""
    artifact_ids: tuple[str, ...]
    """Artifacts that belong to it."""
    step: int
    """Model step of the run, from 1; 0 for a user's message."""
    partial: bool
    """The model was cut short."""
    reasoning: str
    """The reasoning that preceded it, where the model shows it."""
    call_ids: tuple[str, ...]
    """Tool calls that the model asked for in this step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta(Event):
    """A piece of the message that the model is writing."""

    message_id: str
    text: str
    """The piece: never empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningDelta(Event):
    """A piece of the model's reasoning."""

    message_id: str
    """The message it precedes."""
    text: str
    """The piece: never empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallStarted(Event):
    """A tool call begins."""

    call_id: str
    tool: str
    """Name of the tool."""
    arguments: dict[str, Any]
    step: int
    """Model step of the run, from 1."""
    attempt: int
    """1 for the first try, more when the call is repeated after a takeover."""
    read_only: bool
    """The tool changes nothing."""
    destructive: bool
    """The tool may destroy or overwrite something that was there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallProgress(Event):
    """News of a running tool call."""

    call_id: str
    message: str
    """What it is doing, for people; may be empty."""
    fraction: float | None
    """Done so far, 0 to 1; None where it is not known."""
    output: str
    """A piece of output as it is made; may be empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallFinished(Event):
    """A tool call ended."""

    call_id: str
    tool: str
    """Name of the tool."""
    outcome: ToolOutcome
    error: MeshError | None
    """Why it did not succeed."""
    text: str
    """What it gave, as text for the model. It may come from a web page: do not trust it."""
    structured: dict[str, Any] | None
    """The same for programs, where the tool has such a result."""
    artifacts: tuple[Artifact, ...]
    """Files that it made."""
    truncated: bool
    """The text was cut to its bound."""
    duration: timedelta
    """How long it ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequested(Event):
    """A person is asked."""

    approval: Approval


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalResolved(Event):
    """A person answered, or the question expired."""

    approval_id: str
    state: ApprovalState
    edited_arguments: dict[str, Any] | None
    """The arguments that the person put in place of the model's; None when they were not edited."""
    comment: str
    """What the person said to the model, or empty."""
    principal: str
    """Who answered; empty when it expired or was cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SteeringReceipt(Event):
    """What became of a steering input."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactAdded(Event):
    """A file was made."""

    artifact: Artifact
    call_id: str
    """The tool call that made it, or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserAttached(Event):
    """The session has a browser that can be watched."""

    lease_id: str
    viewport_width: int
    """In CSS pixels."""
    viewport_height: int
    """In CSS pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserDetached(Event):
    """The session's browser is gone."""

    lease_id: str
    error: MeshError | None
    """Why it ended against the session's will; None when it was given back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRecorded(Event):
    """A model call or a span of browser time was counted."""

    usage: Usage
    """What was used, since the last event of this kind."""
    model: str
    """The model that was called, or empty for browser time."""
    step: int
    """Model step of the run, from 1; 0 for browser time."""
    time_to_first_token: timedelta | None
    """From the call to the model's first token; None for browser time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Event):
    """Something worth telling a person, such as a retry."""

    level: NoticeLevel
    text: str
    """What it says, for people."""
    cause: MeshError | None
    """The error behind it, where there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownEvent(Event):
    """An event of a kind that this SDK is too old to know: see `proto`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(Event):
    """Older events were trimmed and cannot be had any more: those from `after_sequence + 1` to `sequence`.

    Not an entry of the log: it stands in the place of the missing ones, and says what they amounted to.
    """

    after_sequence: int
    snapshot: agent_service_pb2.SessionSnapshot = field(repr=False, compare=False)
    """The state of the session for those who have not seen the events."""
