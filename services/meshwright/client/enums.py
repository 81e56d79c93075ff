"""The contract's enums as Python enums whose members are their own names in lower case: `RunOutcome.FAILED == "failed"`."""

from __future__ import annotations

from enum import StrEnum


class RunState(StrEnum):
    """Where a run stands."""

    UNKNOWN = "unknown"
    """A state that this SDK is too old to know."""
    QUEUED = "queued"
    """Waiting for an earlier run of the session or for a free worker."""
    ACTIVE = "active"
    """At work."""
    FINISHED = "finished"
    """Ended; the outcome says how."""


class RunOutcome(StrEnum):
    """How a run ended."""

    UNKNOWN = "unknown"
    """Not ended, or in a way that this SDK is too old to know."""
    COMPLETED = "completed"
    """The agent gave its answer."""
    CANCELLED = "cancelled"
    """Somebody cancelled it."""
    FAILED = "failed"
    """It could not go on; the error says why."""
    EXPIRED = "expired"
    """Its time was over."""


class Track(StrEnum):
    """Which of the agents that share a store work on a run."""

    UNKNOWN = "unknown"
    """The mesh was too old to say, or this SDK is too old to know."""
    STABLE = "stable"
    """Those of today."""
    CANARY = "canary"
    """Those of what is tried beside them."""


class SteeringMode(StrEnum):
    """What becomes of an input that arrives while a run is at work."""

    UNKNOWN = "unknown"
    """The mesh's default: ENQUEUE for a task, STEER for an input."""
    STEER = "steer"
    """Given to the active run before its next model step."""
    INTERRUPT = "interrupt"
    """Stops the active run's current step, then is given to it."""
    ENQUEUE = "enqueue"
    """Becomes a run of its own after the active one."""
    REJECT = "reject"
    """Refused with SESSION_BUSY."""


class SteeringState(StrEnum):
    """Where a steering input stands."""

    UNKNOWN = "unknown"
    """A state that this SDK is too old to know."""
    ACCEPTED = "accepted"
    """The mesh owns it; it is not applied yet."""
    APPLIED = "applied"
    """The model has it."""
    RETURNED = "returned"
    """It was not applied."""


class Role(StrEnum):
    """Who speaks."""

    UNKNOWN = "unknown"
    """A role that this SDK is too old to know."""
    USER = "user"
    """The one who gives the tasks."""
    AGENT = "agent"
    """The agent."""


class ToolOutcome(StrEnum):
    """How a tool call ended."""

    UNSPECIFIED = "unspecified"
    """In a way that this SDK is too old to know."""
    SUCCEEDED = "succeeded"
    """It gave a result."""
    FAILED = "failed"
    """It ran, or could not run, and the error says why."""
    CANCELLED = "cancelled"
    """It was cancelled."""
    EXPIRED = "expired"
    """Its deadline passed."""
    DENIED = "denied"
    """A person or a policy denied it."""
    UNKNOWN = "unknown"
    """Its worker went away; whether it took effect is not known."""


class ApprovalState(StrEnum):
    """Where an approval stands."""

    UNKNOWN = "unknown"
    """A state that this SDK is too old to know."""
    PENDING = "pending"
    """Waits for a person."""
    APPROVED = "approved"
    """Approved, perhaps with edited arguments."""
    DENIED = "denied"
    """Denied."""
    EXPIRED = "expired"
    """Nobody answered in time; counts as denied."""
    CANCELLED = "cancelled"
    """The run ended before anybody answered."""


class NoticeLevel(StrEnum):
    """How much a notice matters."""

    UNKNOWN = "unknown"
    """A level that this SDK is too old to know."""
    INFO = "info"
    """Good to know."""
    WARNING = "warning"
    """Something did not go as planned, and the run goes on."""
