"""What every event has, and the two that stand for none of the contract's kinds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from meshwright.client import wire

if TYPE_CHECKING:
    from datetime import datetime

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
class UnknownEvent(Event):
    """An event of a kind that this SDK is too old to know: see `proto`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubAgentEvent(Event):
    """What a sub-agent did, in the stream of the run that it works for.

    It is wrapped so that nobody takes its words for the run's own, nor its end for the run's: `case SubAgentEvent(event=TextDelta())`.
    """

    event: Event
    """The event itself, with the same `run_id`, `sequence` and `agent_path`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(Event):
    """Older events were trimmed and cannot be had any more: those from `after_sequence + 1` to `sequence`.

    Not an entry of the log: it stands in the place of the missing ones, and says what they amounted to.
    """

    after_sequence: int
    snapshot: agent_service_pb2.SessionSnapshot = field(repr=False, compare=False)
    """The state of the session for those who have not seen the events."""
