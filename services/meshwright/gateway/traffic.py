"""Which share of the sessions goes to the canary track of AgentService."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from meshwright.gateway.routes import ONE_TARGET_EACH, Target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

STABLE, CANARY = "stable", "canary"
STABLE_CLUSTER, CANARY_CLUSTER = "agent", "agent-canary"
CANARY_OR_STABLE = "agent-canary-or-stable"
"""The canary's cluster, and the stable one while none of its replicas is healthy."""
TRACK_HEADER = "x-meshwright-track"
"""Request header with which a tester chooses a track: `canary` or `stable`."""
SESSION_HEADER = "x-meshwright-session"
"""Request header with a session's id, which clients send with each of its calls: they all go to one track."""


class TrafficError(Exception):
    """Weights that cannot be put into force. The text is for the person who asked for them."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """The weights that somebody wants."""

    canary_weight: int = 0
    """Percent of the sessions that go to the canary, 0 to 100."""
    revision: int = 0
    """Grows with each change, so that a report can say which one it is about."""


@dataclass(frozen=True, slots=True)
class TrafficReport:
    """What became of the weights that were wanted."""

    revision: int
    """Of the change that was dealt with last."""
    canary_weight: int
    """In force."""
    error: str
    """Why that change is not in force; empty when it is."""
    counted: dict[str, int]
    """Calls of each track, by its cluster, until these weights came into force."""
    admin_socket: str
    """Where Envoy tells the counters."""
    pid: int
    """Process id of the gateway."""


class TrafficSource(Protocol):
    """Where wanted weights come from and what became of them goes: a file beside `meshwright up`, another thing in a cluster."""

    def current(self) -> Traffic:
        """The weights that are wanted now, for the start. Raises TrafficError when nobody can tell."""
        ...

    def changes(self) -> AsyncIterator[Traffic | TrafficError]:
        """The wanted weights whenever they change after `current`, or why they cannot be read; for ever."""
        ...

    def report(self, report: TrafficReport) -> None:
        """Say what became of a change, or of the weights at the start. Whoever cannot be told is not."""
        ...


def targets(traffic: Traffic, *, has_canary: bool) -> Mapping[str, Sequence[Target]]:
    """What the routes need to know. Raises TrafficError without a canary where some of the traffic should go."""
    if not has_canary:
        if traffic.canary_weight:
            raise TrafficError("this gateway has no canary track: set MESHWRIGHT_AGENT_CANARY_ADDRESS for it")
        return ONE_TARGET_EACH
    # In this order a session on the canary stays there while the canary's weight grows.
    shares = (
        Target(STABLE_CLUSTER, 100 - traffic.canary_weight, STABLE, STABLE_CLUSTER),
        # A tester who asks for the canary is told when it is down.
        Target(CANARY_OR_STABLE, traffic.canary_weight, CANARY, CANARY_CLUSTER),
    )
    return {**ONE_TARGET_EACH, STABLE_CLUSTER: shares}
