"""What a tool's handler is given besides its arguments."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from meshwright.tools.threads import Job
from meshwright.v1 import tool_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from meshwright.tools.order import Ticket
    from meshwright.tools.session import ToolSession
    from meshwright.tools.tool import Claim

T = TypeVar("T")

MAX_MESSAGE_CHARS = 1024
MAX_OUTPUT_BYTES = 16 * 1024
SLOW_SECONDS = 1.0
"""Work that takes longer tells the user what it is doing."""


class CallContext:
    """One call's view of its session, its deadline and its progress."""

    def __init__(
        self,
        session: ToolSession,
        report: Callable[[tool_pb2.ToolProgress], Awaitable[None]],
        timeout: float,
        ticket: Ticket | None = None,
    ) -> None:
        self.session = session
        self.claim: Claim | None = ticket.claim if ticket else None
        """What the tool's `claim` gave for this call."""
        self._report = report
        self._ticket = ticket
        self._deadline = time.monotonic() + timeout
        self._over = False
        self._telling: set[asyncio.Task[None]] = set()

    def remaining(self) -> float:
        """Seconds until the call's deadline, never negative."""
        return max(0.0, self._deadline - time.monotonic())

    def claims_behind(self) -> list[Claim]:
        """The claims of the calls that wait for this one to end, the next one first."""
        return [ticket.claim for ticket in self._ticket.behind()] if self._ticket else []

    async def progress(self, message: str = "", *, fraction: float | None = None, output: str = "") -> None:
        """Tells how far the call is: a message for people, how much is done (0 to 1), a piece of output."""
        news = tool_pb2.ToolProgress(
            message=message[:MAX_MESSAGE_CHARS],
            output=output.encode("utf-8", "replace")[:MAX_OUTPUT_BYTES].decode("utf-8", "ignore"),
        )
        if fraction is not None:
            news.fraction = min(max(fraction, 0.0), 1.0)
        await self._report(news)

    @asynccontextmanager
    async def telling(self, message: str) -> AsyncIterator[None]:
        """Reports `message` once if the block takes longer than a second."""
        timer = asyncio.get_running_loop().call_later(SLOW_SECONDS, self._tell_soon, message, None)
        try:
            yield
        finally:
            timer.cancel()

    async def in_thread(self, work: Callable[[Job], T]) -> T:
        """What blocking work gives, done in a thread. If the call ends first, the work is told, and has ended when this raises."""
        loop = asyncio.get_running_loop()
        job = Job(lambda message, fraction: loop.call_soon_threadsafe(self._tell_soon, message, fraction))
        return await self.session.threads.run(work, job)

    def close(self) -> None:
        """The call is over: whatever was still to be told is not told any more."""
        self._over = True
        for task in self._telling:
            task.cancel()

    def _tell_soon(self, message: str, fraction: float | None) -> None:
        if self._over:
            return
        task = asyncio.create_task(self.progress(message, fraction=fraction))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
