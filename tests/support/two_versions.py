"""Agents of two versions, each a process of its own: the one before this one, as it was released, and this one."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tests.support.agent_replicas import agent_fleet
from tests.support.previous_version import previous_version

if TYPE_CHECKING:
    import signal
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from meshwright.tools.tool import Tool
    from tests.model_script import Script, Steps
    from tests.support.agent_mesh import AgentMesh
    from tests.support.agent_replicas import Fleet

OLD, NEW = "old", "new"
DIRECTIONS = ((OLD, NEW), (NEW, OLD))
"""What one version began, and the other goes on with."""


def databases(redis_url: str) -> list[str]:
    """A database for each direction."""
    return [f"{redis_url}?db={number}" for number in range(len(DIRECTIONS))]


def as_before() -> dict[str, str]:
    """Variables with which a process of the mesh runs the version before this one."""
    return {"PYTHONPATH": str(previous_version().packages)}


class TwoVersions:
    """One agent of each version, with one store, the same tools and the same model."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet

    async def start(self, version: str) -> None:
        """Start the agent of a version, and wait until it answers."""
        await self.fleet.agents[version].start()

    async def end(self, version: str, number: signal.Signals) -> None:
        """Send it a signal and wait until it is gone."""
        await self.fleet.agents[version].end(number)

    def talking_to(self, version: str) -> contextlib.AbstractAsyncContextManager[AgentMesh]:
        """Calls that the agent of this version answers."""
        return self.fleet.talking_to(version)


@contextlib.asynccontextmanager
async def two_versions(
    folder: Path,
    store_url: str,
    script: Script | Steps,
    tools: Sequence[Tool] | None = (),
    *,
    started: Sequence[str] = (),
    canary: bool = False,
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[TwoVersions]:
    """Those of `started` run, both on the stable track unless the newer is the `canary`.

    `settings` are both agents', by the names of their variables.
    """
    each = {OLD: as_before(), NEW: {"MESHWRIGHT_TRACK": "canary"} if canary else {}}
    async with agent_fleet(
        folder, store_url, script, (OLD, NEW), started=started, tools=tools, environment=settings, each=each
    ) as fleet:
        yield TwoVersions(fleet)
