"""All services of a mesh together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from meshwright.cli.up.child import Child, State
from meshwright.cli.up.plan import SERVICES

if TYPE_CHECKING:
    from collections.abc import Callable

    from meshwright.cli.up.plan import Plan

STOP_ORDER = (("gateway", "agent"), ("tools",), ("browser", "site"))
"""Who is told to go, one group after the other: first those who talk to clients, last those whom the others use."""
STOP_SECONDS = 8.0
"""How long a group may take before it is killed."""


class LocalMesh:
    """The services as child processes, from `start` to `stop`."""

    def __init__(self, plan: Plan, on_change: Callable[[Child], None]) -> None:
        self.children = {name: Child(name, plan, on_change) for name in SERVICES}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Start all of them at once."""
        for name, child in self.children.items():
            self._tasks[name] = asyncio.create_task(child.supervise(), name=f"supervise-{name}")

    async def ready(self) -> None:
        """Wait until each has been healthy once."""
        await asyncio.gather(*(child.first_ready.wait() for child in self.children.values()))

    async def failed(self) -> Child:
        """Wait for one that has failed for good."""
        done, _ = await asyncio.wait(self._tasks.values(), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        return next(child for child in self.children.values() if child.state is State.FAILED)

    async def stop(self) -> None:
        """Stop all of them in order, each within its time."""
        for names in STOP_ORDER:
            await asyncio.gather(*(self.children[name].stop(STOP_SECONDS) for name in names))
        await asyncio.gather(*self._tasks.values())

    async def kill(self) -> None:
        """End all of them at once."""
        for child in self.children.values():
            child.kill()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
