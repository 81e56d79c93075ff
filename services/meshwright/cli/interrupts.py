"""Ctrl-C as something to wait for."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """While the `with` block is open, Ctrl-C and SIGTERM are counted instead of ending the program."""

    def __init__(self) -> None:
        self._received: asyncio.Queue[None] = asyncio.Queue()
        self._before = {number: signal.getsignal(number) for number in SIGNALS}

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._received.put_nowait, None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.remove_signal_handler(number)
            # asyncio.Runner has one of its own, which must be there again.
            signal.signal(number, self._before[number])

    async def next(self) -> None:
        """Wait for the next one."""
        await self._received.get()
