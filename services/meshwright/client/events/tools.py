"""What the agent does: tool calls, the questions before them, the files they make, the browser they use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from meshwright.client.events.base import Event

if TYPE_CHECKING:
    from datetime import timedelta

    from meshwright.client.enums import ApprovalState, ToolOutcome
    from meshwright.client.errors import MeshError
    from meshwright.client.records import Approval, Artifact


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
