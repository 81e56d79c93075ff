"""What the mesh tells about its sessions, its runs and itself, as it was when it was asked.

Each has the message that it was read from as `proto`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from meshwright.client import wire
from meshwright.client.records import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta
    from typing import Self

    from meshwright.client.enums import RunOutcome, RunState, Track
    from meshwright.client.errors import MeshError
    from meshwright.v1 import agent_service_pb2, run_pb2, session_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionInfo:
    """A session as it was when it was asked for."""

    session_id: str
    title: str
    """Title for people: as given, else the beginning of the first task."""
    create_time: datetime | None
    update_time: datetime | None
    """When its last event was appended."""
    last_sequence: int
    """Sequence of its last event; 0 for none."""
    first_sequence: int
    """Sequence of the oldest event that is still kept."""
    active_run_id: str
    """The run at work, or empty."""
    queued_runs: int
    """Runs that wait behind it."""
    usage: Usage
    """Sum over all runs."""
    labels: Mapping[str, str]
    model: str
    """Model of its runs unless a run names another; empty means the agent's default."""
    principal: str
    """Who owns it; `local` without login."""
    proto: session_pb2.Session = field(repr=False, compare=False)

    @classmethod
    def read(cls, proto: session_pb2.Session) -> Self:
        """The values of a message."""
        return cls(
            session_id=proto.session_id,
            title=proto.title,
            create_time=wire.optional_time(proto, "create_time"),
            update_time=wire.optional_time(proto, "update_time"),
            last_sequence=proto.last_sequence,
            first_sequence=proto.first_sequence,
            active_run_id=proto.active_run_id,
            queued_runs=proto.queued_runs,
            usage=Usage.read(proto.usage),
            labels=dict(proto.labels),
            model=proto.model,
            principal=proto.principal,
            proto=proto,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """A run as it was when it was asked for."""

    run_id: str
    session_id: str
    state: RunState
    outcome: RunOutcome
    """How it ended; UNKNOWN until then."""
    error: MeshError | None
    """Why it failed or expired."""
    task: str
    model: str
    """The model that answers it."""
    create_time: datetime | None
    start_time: datetime | None
    finish_time: datetime | None
    first_sequence: int
    """Sequence of its first event."""
    finish_sequence: int
    """Sequence of its last event; 0 until it ended."""
    usage: Usage
    parent_run_id: str
    """The run that delegated this one, or empty."""
    attempt: int
    """How often a worker took it: more than 1 after a takeover."""
    answer: str
    """The final answer of a completed run."""
    track: Track
    """Which agents work on it: those of the track that accepted it."""
    proto: run_pb2.Run = field(repr=False, compare=False)

    @classmethod
    def read(cls, proto: run_pb2.Run) -> Self:
        """The values of a message."""
        return cls(
            run_id=proto.run_id,
            session_id=proto.session_id,
            state=wire.RUN_STATES[proto.state],
            outcome=wire.RUN_OUTCOMES[proto.outcome],
            error=wire.optional_error(proto, "error"),
            task=proto.spec.task,
            model=proto.spec.options.model,
            create_time=wire.optional_time(proto, "create_time"),
            start_time=wire.optional_time(proto, "start_time"),
            finish_time=wire.optional_time(proto, "finish_time"),
            first_sequence=proto.first_sequence,
            finish_sequence=proto.finish_sequence,
            usage=Usage.read(proto.usage),
            parent_run_id=proto.parent_run_id,
            attempt=proto.attempt,
            answer=proto.answer,
            track=wire.TRACKS[proto.track],
            proto=proto,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentInfo:
    """What answers at an address, and what it may do."""

    version: str
    """Version of Meshwright."""
    model: str
    """Model of runs that name none, such as `openai:gpt-5` or `offline`."""
    offline: bool
    """That model is the offline planner, which follows plain instructions only."""
    max_steps: int
    """Model steps of a run at most."""
    timeout: timedelta
    """Time of a run at most."""
    demo_url: str
    """The demo site as the agent's browser reaches it; empty when it is off."""
    example_tasks: tuple[str, ...]
    """Tasks that work right away."""
    track: Track
    """The track of the agent that answered; others at the same address may be of another."""
    proto: agent_service_pb2.Agent = field(repr=False, compare=False)

    @classmethod
    def read(cls, proto: agent_service_pb2.Agent) -> Self:
        """The values of a message."""
        return cls(
            version=proto.version,
            model=proto.model,
            offline=proto.offline,
            max_steps=proto.default_options.max_steps,
            timeout=wire.duration_of(proto.default_options.timeout),
            demo_url=proto.demo_url,
            example_tasks=tuple(proto.example_tasks),
            track=wire.TRACKS[proto.track],
            proto=proto,
        )
