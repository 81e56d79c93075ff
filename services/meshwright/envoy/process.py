"""Envoy's process, which never outlives ours."""

from __future__ import annotations

import asyncio
import collections
import os
import sys
from typing import TYPE_CHECKING, Self

import structlog

from meshwright.envoy import leash
from meshwright.envoy.admin import Admin
from meshwright.envoy.binary import EnvoyError, envoy_binary

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from pathlib import Path
    from types import TracebackType

# Level, logger and text, one line each, whatever the text contains.
LOG_FORMAT = "%l\t%n\t%_"
LOG_LINE_CHARACTERS = 1_000
START_SECONDS = 15.0
KILL_SECONDS = 2.0

log = structlog.get_logger(__name__)


class Envoy:
    """An Envoy that runs for as long as the context is open. Entering waits until it accepts connections.

    Entering raises EnvoyError, with Envoy's own words, where it does not start. Leaving stops it at once.
    """

    def __init__(self, bootstrap: Path, admin_socket: Path, *, workers: int, drain_seconds: float = 1.0) -> None:
        self.admin = Admin(admin_socket)
        """Its admin interface."""
        self._bootstrap = bootstrap
        self._workers = workers
        self._drain_seconds = drain_seconds
        self._last_words: collections.deque[str] = collections.deque(maxlen=20)
        self._stopping = False
        self._process: Process
        self._reading: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._process = await _start(self._bootstrap, workers=self._workers, drain_seconds=self._drain_seconds)
        self._reading = asyncio.create_task(self._read_log(), name="envoy-log")
        try:
            await self._until_ready()
        except BaseException:
            await asyncio.shield(self._stop())
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stop()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def ended(self) -> EnvoyError:
        """Wait for it to end by itself, which it should not; why, as far as it said."""
        code = await self._process.wait()
        return EnvoyError(f"Envoy ended by itself with exit code {code}{self.complaint()}")

    def kill(self) -> None:
        """End it at once, where it hangs; `ended` tells."""
        if self._process.returncode is None:
            self._process.kill()

    def complaint(self) -> str:
        """Its last words, to be put behind a sentence of ours; empty where it said nothing."""
        return ":\n" + "\n".join(self._last_words) if self._last_words else ""

    async def _until_ready(self) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await self.admin.is_ready():
                    if self._process.returncode is not None:
                        await self._reading
                        raise EnvoyError(f"Envoy did not start{self.complaint()}")
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise EnvoyError(f"Envoy was not ready within {START_SECONDS:g} s{self.complaint()}") from None

    async def _stop(self) -> None:
        self._stopping = True
        if self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(KILL_SECONDS):
                    await self._process.wait()
            except TimeoutError:
                log.warning("Envoy does not end and is killed", seconds=KILL_SECONDS)
                self._process.kill()
                await self._process.wait()
        await self._reading

    async def _read_log(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            text = line.decode(errors="replace").rstrip("\n")
            level, _, message = text.partition("\t")
            # Envoy quotes a whole file that it cannot read.
            message = (message.replace("\t", ": ", 1) or text)[:LOG_LINE_CHARACTERS]
            self._last_words.append(message)
            # It warns of the signal that we end it with.
            write = log.debug if self._stopping else log.error if level in {"error", "critical"} else log.warning
            write("Envoy says", text=message)


async def _start(bootstrap: Path, *, workers: int, drain_seconds: float) -> Process:
    """Start Envoy as a child that writes its log, from warnings up, to `stderr`.

    Without hot restart it claims nothing that two Envoys on one machine could fight over. It has a session of its own,
    so that Ctrl-C reaches our process only, which ends it in order; and on Linux the kernel kills it with our process.
    """
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", leash.__file__, str(os.getpid())),
        str(envoy_binary()),
        *("--config-path", str(bootstrap)),
        *("--concurrency", str(workers)),
        *("--drain-time-s", str(max(1, round(drain_seconds)))),
        *("--drain-strategy", "immediate"),
        *("--file-flush-interval-msec", "1000"),
        *("--log-level", "warning"),
        *("--log-format", LOG_FORMAT),
        "--disable-hot-restart",
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )


async def validate_config(bootstrap: Path, *, timeout: float = 10.0) -> None:
    """Let Envoy check a bootstrap without starting it; EnvoyError has its complaint. `timeout` is in seconds."""
    process = await asyncio.create_subprocess_exec(
        str(envoy_binary()),
        *("--mode", "validate"),
        *("--config-path", str(bootstrap)),
        *("--log-level", "warning"),
        *("--log-format", "%v"),
        "--disable-hot-restart",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(timeout):
            _, complaint = await process.communicate()
    except TimeoutError:
        raise EnvoyError(f"Envoy did not finish checking its configuration within {timeout:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise EnvoyError(f"Envoy refuses the configuration {bootstrap}:\n{complaint.decode(errors='replace')}")
