"""Agents of two tracks on one store, and who of them works on what."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from meshwright.serving.channel import open_channel
from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
from tests.support.agent_mesh import AgentMesh
from tests.support.delegation import users

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from meshwright.v1.event_pb2 import Event
    from tests.model_script import Request
    from tests.support.agent_replicas import Fleet

STABLE, CANARY, OTHER_CANARY = "stable", "canary", "other canary"
ON_CANARY = {"MESHWRIGHT_TRACK": "canary"}
EACH = {
    # The key with which a model is asked tells who works.
    STABLE: {"OPENAI_API_KEY": STABLE},
    CANARY: {"OPENAI_API_KEY": CANARY, **ON_CANARY},
    OTHER_CANARY: {"OPENAI_API_KEY": OTHER_CANARY, **ON_CANARY},
}
"""The variables of the agents of these names."""
TAKEOVER_SECONDS = 25.0
"""Generous: a quiet machine takes up to 9."""


def worker_of(request: Request) -> str:
    """The agent that asks."""
    return request.headers["Authorization"].removeprefix("Bearer ")


def workers_on(fleet: Fleet, task: str) -> list[str]:
    """The agents that asked the model something for a task, each once, in the order in which they came."""
    asked = [worker_of(request) for request in fleet.model.requests if users(request)[-1] == task]
    return list(dict.fromkeys(asked))


@contextlib.asynccontextmanager
async def talking_to(fleet: Fleet, name: str, folder: Path) -> AsyncIterator[AgentMesh]:
    """Calls that this agent answers."""
    address = fleet.agents[name].address
    async with open_channel(address) as channel:
        yield AgentMesh(AgentServiceStub(channel), fleet.model, folder, address)


def attempts(events: Sequence[Event], run_id: str) -> list[int]:
    """How often a worker took a run."""
    return [event.run_started.attempt for event in events if event.run_id == run_id and event.HasField("run_started")]
