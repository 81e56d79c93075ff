"""A run's way: accepted, started, steered, counted, finished."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from meshwright.client.enums import RunOutcome
from meshwright.client.errors import RunCancelled, RunError, RunExpired, RunFailed
from meshwright.client.events.base import Event

if TYPE_CHECKING:
    from datetime import timedelta

    from meshwright.client.enums import NoticeLevel, SteeringMode, SteeringState
    from meshwright.client.errors import MeshError
    from meshwright.client.records import Usage


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
