"""Telling a run's own events from those of its sub-agents."""

from __future__ import annotations

from meshwright.client.events import Event, Gap, RunQueued, SubAgentEvent


class Family:
    """A run and the runs that it delegated, as far as their events have come."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._runs = {run_id}

    def place(self, event: Event) -> Event | None:
        """The event as it stands in the run's stream: wrapped where a sub-agent made it, None where it is not of the family."""
        if isinstance(event, RunQueued) and event.parent_run_id in self._runs:
            self._runs.add(event.run_id)
        of_family = isinstance(event, Gap) or event.run_id in self._runs
        return in_stream_of(self._run_id, event) if of_family else None


def in_stream_of(run_id: str, event: Event) -> Event:
    """An event of a run's family as it stands in the run's stream."""
    if isinstance(event, Gap) or event.run_id == run_id:
        return event
    return SubAgentEvent(
        session_id=event.session_id, run_id=event.run_id, sequence=event.sequence, proto=event.proto, event=event
    )
