"""One service as a process that the monkey may kill, stop and freeze."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

READY_SECONDS = 60.0
STOP_SECONDS = 30.0


class Process:
    """A service that listens on a Unix socket."""

    def __init__(self, name: str, module: Sequence[str], listen: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.log = listen.parent / f"{name}.log"
        self.down = False
        """Somebody is at work on it: it is dead, dying, starting or frozen."""
        self._command = (sys.executable, "-m", *module)
        self._socket = listen
        self._environment = {**environment, "MESHWRIGHT_LISTEN": f"unix:{listen}"}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def runs(self) -> bool:
        """Whether it can be hit."""
        return self._process is not None and self._process.returncode is None and not self.down

    async def start(self) -> None:
        """Start it and wait until it listens."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        async with asyncio.timeout(READY_SECONDS):
            while not await self._listens():
                assert self._process.returncode is None, f"{self.name} ended: {self.log.read_text()[-2000:]}"
                await asyncio.sleep(0.05)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, where it still runs."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def ended(self) -> None:
        """Wait for its end."""
        assert self._process is not None
        async with asyncio.timeout(STOP_SECONDS):
            await self._process.wait()

    async def end(self) -> None:
        """Stop it in good order, and kill it where it does not heed."""
        if self._process is None:
            return
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            await self.ended()
        except TimeoutError:
            self.send(signal.SIGKILL)
            await self._process.wait()

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_unix_connection(self._socket)
        except OSError:
            return False
        writer.close()
        return True
