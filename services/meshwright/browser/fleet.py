"""The browser processes: started, replaced when they crash, recycled before they wear out."""

from __future__ import annotations

import asyncio
import math
import os
import time
from contextlib import suppress
from contextvars import Context
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog
from playwright.async_api import Error as PlaywrightError

from meshwright.browser.chromium import ChromiumMissingError, find
from meshwright.browser.driver import DRIVER_ERRORS
from meshwright.browser.process import BrowserProcess, LaunchPlan
from meshwright.browser.scratch import Scratch
from meshwright.serving.startup import StartupError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from meshwright.browser.settings import BrowserSettings

RETRY_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
START_ERRORS = (*DRIVER_ERRORS, TimeoutError, OSError)
"""How a browser does not start, because of itself, its driver or the machine."""

log = structlog.get_logger(__name__)


class Fleet:
    """Keeps as many healthy browser processes as the capacity takes."""

    def __init__(self, settings: BrowserSettings, proxy: str) -> None:
        """`proxy` is the one way to the network that browsers get, as in `http://127.0.0.1:41234`."""
        self._settings = settings
        self._proxy = proxy
        self._wanted = math.ceil(settings.browser_capacity / settings.browser_leases_per_process)
        self._plan: LaunchPlan | None = None
        self._scratch: Scratch | None = None
        self._processes: list[BrowserProcess] = []
        self._starting = 0
        self._adding: set[asyncio.Task[None]] = set()
        self._stopping: set[asyncio.Task[None]] = set()
        self._lost: list[Callable[[BrowserProcess], None]] = []
        self._ready: list[Callable[[], None]] = []
        self._closing = False
        self.crashes = 0
        """Browsers that ended by themselves and were replaced."""
        self.recycles = 0
        """Browsers that were replaced because they were worn."""
        self.version = ""
        """Version of the browser."""
        self.sandboxed = False
        """Chromium's own sandbox is on."""

    def on_lost(self, callback: Callable[[BrowserProcess], None]) -> None:
        """Call back when a process has ended by itself."""
        self._lost.append(callback)

    def on_ready(self, callback: Callable[[], None]) -> None:
        """Call back when a process stands ready."""
        self._ready.append(callback)

    @property
    def size(self) -> int:
        """Browsers that run."""
        return len(self._processes)

    @property
    def is_healthy(self) -> bool:
        """At least one browser runs."""
        return any(not process.is_gone for process in self._processes)

    async def start(self) -> None:
        """Start the first browser, and the others in the background. Raises StartupError with words for the operator."""
        self._plan = _plan(self._settings, self._proxy)
        making = asyncio.create_task(asyncio.to_thread(Scratch))
        try:
            self._scratch = await asyncio.shield(making)
        except asyncio.CancelledError:
            # The thread makes it all the same, and `stop` has to know of it.
            self._scratch = await making
            raise
        try:
            first = await self._first(self._plan)
        except START_ERRORS as error:
            await self._clear_scratch()
            message = f"Chromium ({self._plan.executable}) does not start: {_first_line(error)}"
            if self._plan.sandbox:
                message += "\nIts sandbox does not work for root, nor where the machine forbids user namespaces."
            raise StartupError(message) from error
        self.version, self.sandboxed = first.version, first.sandboxed
        if not self.sandboxed:
            log.warning("chromium_sandbox_off", root=os.geteuid() == 0, setting="MESHWRIGHT_BROWSER_SANDBOX")
        self._enlist(first)
        self._fill()

    async def stop(self) -> None:
        """End every browser."""
        self._closing = True
        for task in self._adding:
            task.cancel()
        await asyncio.gather(*self._adding, return_exceptions=True)
        await asyncio.gather(*self._stopping, *(process.stop() for process in self._processes))
        self._processes.clear()
        await self._clear_scratch()

    def least_loaded(self) -> BrowserProcess | None:
        """Where the next context is made; None while no process is fit for it."""
        fit = [process for process in self._processes if not process.is_gone and not process.draining]
        return min(fit, key=lambda process: process.isolates, default=None)

    def settle(self, process: BrowserProcess) -> None:
        """Look at a process that a context has left: recycle what is worn, stop what is drained."""
        worn = process.granted >= self._settings.browser_recycle_leases
        old = time.monotonic() - process.started > self._settings.browser_recycle_seconds
        if (worn or old) and not process.draining:
            log.info("browser_recycled", pid=process.pid, leases=process.granted)
            process.draining = True
            self.recycles += 1
            self._fill()
        if process.draining and not process.isolates and process in self._processes:
            self._processes.remove(process)
            _spawn(process.stop(), self._stopping)

    def distrust(self, process: BrowserProcess) -> None:
        """Replace a process that no longer does as it is told; its leases may end in peace."""
        process.draining = True
        self._fill()
        self.settle(process)

    def _fill(self) -> None:
        fit = sum(not process.draining for process in self._processes)
        while not self._closing and fit + self._starting < self._wanted:
            self._starting += 1
            _spawn(self._add(), self._adding)

    async def _add(self) -> None:
        attempt = 0
        try:
            while True:
                try:
                    process = await self._start_one(self._known_plan())
                    break
                except START_ERRORS as error:
                    pause = RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)]
                    attempt += 1
                    log.error("browser_does_not_start", cause=_first_line(error), retry_in=pause)
                    await asyncio.sleep(pause)
        finally:
            self._starting -= 1
        self._enlist(process)

    async def _first(self, plan: LaunchPlan) -> BrowserProcess:
        try:
            return await self._start_one(plan)
        except PlaywrightError:
            if not plan.sandbox or self._settings.browser_sandbox == "on":
                raise
        self._plan = replace(plan, sandbox=False)
        return await self._start_one(self._plan)

    async def _start_one(self, plan: LaunchPlan) -> BrowserProcess:
        assert self._scratch is not None
        return await BrowserProcess.start(plan, self._scratch.folder())

    async def _clear_scratch(self) -> None:
        scratch, self._scratch = self._scratch, None
        if scratch is not None:
            await asyncio.to_thread(scratch.remove)

    def _known_plan(self) -> LaunchPlan:
        assert self._plan is not None
        return self._plan

    def _enlist(self, process: BrowserProcess) -> None:
        self._processes.append(process)
        process.on_gone(self._gone)
        for ready in self._ready:
            ready()

    def _gone(self, process: BrowserProcess) -> None:
        self.crashes += 1
        if process in self._processes:
            self._processes.remove(process)
        for lost in self._lost:
            lost(process)
        self._fill()
        _spawn(process.stop(), self._stopping)


def _spawn(work: Coroutine[None, None, None], tasks: set[asyncio.Task[None]]) -> None:
    task = asyncio.create_task(work, context=Context())
    tasks.add(task)
    task.add_done_callback(tasks.discard)


def _plan(settings: BrowserSettings, proxy: str) -> LaunchPlan:
    environment = {**os.environ, **({"MESHWRIGHT_CHROMIUM": settings.chromium} if settings.chromium else {})}
    try:
        chromium = find(environment)
    except ChromiumMissingError as error:
        raise StartupError(str(error)) from error
    if chromium is None:
        message = "There is no Chromium. `meshwright doctor` says how to get one; MESHWRIGHT_CHROMIUM names one."
        raise StartupError(message)
    allowed = settings.browser_sandbox == "on" or (settings.browser_sandbox == "auto" and os.geteuid() != 0)
    return LaunchPlan(chromium.path, allowed, proxy)


def _first_line(error: BaseException) -> str:
    with suppress(IndexError):
        return str(error).strip().splitlines()[0]
    return type(error).__name__
