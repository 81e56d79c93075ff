"""When work in the background may take the cores: in a lull, or when it can wait no longer."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Making a context costs two cores about 60 ms, which the commands that run feel.
LONGEST_SECONDS = 0.25
# The first commands of a new lease come with it or right after its holder has heard of it.
EXPECTED_SECONDS = 0.05


class Lull:
    """Counts the commands that run, and the leases whose first are on their way."""

    def __init__(self) -> None:
        self._running = 0
        self._go = asyncio.Event()
        self._go.set()

    @contextmanager
    def command(self) -> Iterator[None]:
        """A command runs inside the block."""
        self._begin()
        try:
            yield
        finally:
            self._end()

    def granted(self) -> None:
        """A lease was granted: whoever has it is about to use it."""
        self._begin()
        asyncio.get_running_loop().call_later(EXPECTED_SECONDS, self._end)

    def hurry(self) -> None:
        """Let go what waits for a lull now: somebody needs it."""
        self._go.set()

    async def wait(self) -> None:
        """Wait until no command runs or somebody is in a hurry, but not for long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_SECONDS):
                await self._go.wait()

    def _begin(self) -> None:
        self._running += 1
        self._go.clear()

    def _end(self) -> None:
        self._running -= 1
        if not self._running:
            self._go.set()
