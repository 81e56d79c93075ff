"""One service as a child process that is started again when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from enum import StrEnum
from typing import TYPE_CHECKING

from meshwright.cli.up import health

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable
    from pathlib import Path

    from meshwright.cli.up.plan import Plan

READY_SECONDS = 60.0
"""How long a service may take to become healthy."""
RESTARTS = 5
"""How often a service is started again ..."""
RESTARTS_SECONDS = 60.0
"""... within so many seconds."""
WRONG_SETTINGS = 2
"""The exit code of a service that cannot start and says why: starting it again is of no use."""
LAST_LINES = 12


class State(StrEnum):
    """Where a service stands."""

    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPED = "stopped"


class Child:
    """A service's process, its log and its state. `on_change` is called whenever the state changes."""

    def __init__(self, name: str, plan: Plan, on_change: Callable[[Child], None]) -> None:
        self.name = name
        self.state = State.STARTING
        self.news = ""
        """What happened, in words, where the state alone does not tell."""
        self.since = time.monotonic()
        """When the state began."""
        self.log: Path = plan.logs / f"{name}.log"
        self.first_ready = asyncio.Event()
        self.could_not_start = False
        """Its settings, or something else outside of it, are wrong; it has said what."""
        self._plan = plan
        self._on_change = on_change
        self._process: Process | None = None
        self._deaths: list[float] = []
        self._stopping = False
        self._spawned = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """Process id, while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def supervise(self) -> None:
        """Start it, keep it running, and return when it was stopped or has failed for good."""
        self._begin_log()
        while True:
            await self._start()
            watch = asyncio.create_task(self._watch_health())
            try:
                code = await self._wait()
            finally:
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)
            if self._stopping:
                break
            if not self._may_restart(code):
                self.could_not_start = code == WRONG_SETTINGS
                self._set(State.FAILED, _how_it_ended(code))
                return
            self._set(State.RESTARTING, _how_it_ended(code))
        self._set(State.STOPPED)

    async def stop(self, seconds: float) -> None:
        """Ask it to end, and kill it after so many seconds."""
        self._stopping = True
        await self._spawned.wait()
        process = self._process
        assert process is not None
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(seconds):
                await process.wait()
        except TimeoutError:
            self.kill()
            await process.wait()

    def kill(self) -> None:
        """End it at once, with everything in its process group."""
        self._stopping = True
        if self._process is not None:
            _kill_group(self._process.pid)

    def last_words(self) -> list[str]:
        """The last lines of its log."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return []
        return lines[-LAST_LINES:]

    def _begin_log(self) -> None:
        """A log is of one mesh; the one before it is kept."""
        with contextlib.suppress(FileNotFoundError):
            self.log.replace(self.log.with_suffix(".log.1"))

    async def _start(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "meshwright.cli.serve", self.name, "--parent", str(os.getpid())),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C reaches this process only, which stops the services in order.
                start_new_session=True,
                env=self._plan.environment(self.name),
            )
        self._spawned.set()

    async def _wait(self) -> int:
        assert self._process is not None
        pid = self._process.pid
        try:
            return await self._process.wait()
        finally:
            if self._process.returncode is not None:
                # What it may have left behind.
                _kill_group(pid)

    async def _watch_health(self) -> None:
        try:
            async with asyncio.timeout(READY_SECONDS):
                await health.wait_healthy(self.name, self._plan)
        except TimeoutError:
            self.news = f"not healthy after {READY_SECONDS:g} s"
            assert self._process is not None
            _kill_group(self._process.pid)
            return
        self._set(State.READY)
        self.first_ready.set()

    def _may_restart(self, code: int) -> bool:
        now = time.monotonic()
        self._deaths = [died for died in self._deaths if now - died < RESTARTS_SECONDS]
        self._deaths.append(now)
        return code != WRONG_SETTINGS and len(self._deaths) <= RESTARTS

    def _set(self, state: State, news: str = "") -> None:
        self.state, self.news, self.since = state, news, time.monotonic()
        self._on_change(self)


def _how_it_ended(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
