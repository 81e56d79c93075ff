"""The pool: a lease is a pop from a queue of contexts that were made ahead of time."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextvars import Context
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from meshwright.browser import failures
from meshwright.browser.driver import DRIVER_ERRORS
from meshwright.browser.isolate import Isolate
from meshwright.browser.lull import Lull
from meshwright.browser.metrics import browser_metrics
from meshwright.browser.shares import Shares
from meshwright.browser.wait_queue import WaitQueue

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from playwright.async_api import ViewportSize

    from meshwright.browser.fleet import Fleet
    from meshwright.browser.process import BrowserProcess
    from meshwright.browser.settings import BrowserSettings
    from meshwright.browser.visit import Visit
    from meshwright.serving.errors import MeshError

MAKERS = 2
# How much the latest lease weighs in the average duration, from which the retry hint follows.
SMOOTHING = 0.2

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Grant:
    """An isolate that was lent, and how."""

    isolate: Isolate
    warm: bool
    """It stood ready before it was asked for."""
    waited: float
    """Seconds."""


class Pool:
    """Lends isolates. Each is used once; what is given back is thrown away and replaced."""

    def __init__(self, settings: BrowserSettings, fleet: Fleet) -> None:
        self._settings = settings
        self._fleet = fleet
        self._warm: deque[Isolate] = deque()
        self._leased: set[Isolate] = set()
        self._queue = WaitQueue(settings.browser_queue)
        self._making = 0
        self._work = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._typical_lease = 1.0
        self._started = time.monotonic()
        self._viewport: ViewportSize = {"width": settings.browser_width, "height": settings.browser_height}
        self.shares = Shares(settings.quota_leases)
        """Where leases count for their principals."""
        self.lull = Lull()
        """Where leases report the commands that run."""
        self.granted = 0
        self.granted_warm = 0
        fleet.on_lost(self._lost)
        fleet.on_ready(self._work.set)

    async def start(self) -> None:
        """Start the browsers; the stock fills in the background. Raises StartupError when no browser starts."""
        await self._fleet.start()
        self._spawn(self._refill())
        self._work.set()

    async def stop(self) -> None:
        """End everything, also what is leased."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._fleet.stop()

    @property
    def leased(self) -> int:
        """Leases now."""
        return len(self._leased)

    @property
    def warm(self) -> int:
        """Isolates that stand ready."""
        return len(self._warm)

    @property
    def queued(self) -> int:
        """Callers that wait."""
        return len(self._queue)

    @property
    def uptime(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    @property
    def fleet(self) -> Fleet:
        """The browser processes."""
        return self._fleet

    async def acquire(self, visit: Visit) -> Grant:
        """Lend an isolate, waiting for it no longer than the visit lasts.

        Raises MeshError NO_BROWSER_AVAILABLE.
        """
        if not self._queue and (isolate := self._pop()):
            self._leased.add(isolate)
            return self._granted(isolate, warm=True, waited=visit.waited)
        if visit.looks and self._is_full:
            raise self._none_available(visit)
        # Who has a place in one queue of the mesh does not lose it by going on to another.
        if self._queue.is_full and not visit.waited:
            raise self._none_available()
        waiter = self._queue.join(visit.waited)
        self._ask_for_more()
        try:
            async with asyncio.timeout(visit.stay):
                await waiter.granted
        except TimeoutError:
            # It may have been served in this very moment.
            if waiter.granted.cancelled():
                self._queue.leave(waiter)
                raise self._none_available(visit) from None
        except asyncio.CancelledError:
            self._queue.leave(waiter)
            if waiter.granted.done() and not waiter.granted.cancelled():
                self._take_back_unused(waiter.granted.result())
            raise
        isolate = waiter.granted.result()
        return self._granted(isolate, warm=isolate.made < waiter.since, waited=time.monotonic() - waiter.since)

    def release(self, isolate: Isolate, held: float) -> None:
        """Take back an isolate that was held for `held` seconds. Returns at once; it is thrown away in the background."""
        self._leased.discard(isolate)
        self._typical_lease += SMOOTHING * (held - self._typical_lease)
        self._discard(isolate)
        self._serve()
        self._work.set()

    def _granted(self, isolate: Isolate, *, warm: bool, waited: float) -> Grant:
        isolate.process.granted += 1
        self.granted += 1
        self.granted_warm += warm
        browser_metrics.granted(waited, warm=warm)
        self.lull.granted()
        self._ask_for_more()
        return Grant(isolate, warm, waited)

    def _pop(self) -> Isolate | None:
        if len(self._leased) >= self._settings.browser_capacity:
            return None
        while self._warm:
            isolate = self._warm.popleft()
            if isolate.is_sound:
                return isolate
            self._discard(isolate)
        return None

    def _serve(self) -> None:
        """Hand what stands ready to those who wait."""
        while self._queue and (isolate := self._pop()):
            waiter = self._queue.next()
            if waiter.granted.done():
                # It has just given up and has not left yet.
                self._warm.appendleft(isolate)
                continue
            self._leased.add(isolate)
            waiter.granted.set_result(isolate)

    def _take_back_unused(self, isolate: Isolate) -> None:
        self._leased.discard(isolate)
        if not isolate.process.is_gone:
            self._warm.appendleft(isolate)
        self._serve()

    @property
    def _is_full(self) -> bool:
        return len(self._leased) + len(self._queue) >= self._settings.browser_capacity

    def _none_available(self, visit: Visit | None = None) -> MeshError:
        goes_on = visit is not None and visit.goes_on
        browser_metrics.refused(goes_on=goes_on)
        ahead = (len(self._queue) + 1) / self._settings.browser_capacity
        return failures.no_browser(
            self._settings.browser_capacity,
            len(self._queue),
            min(max(self._typical_lease * ahead, 0.5), 30.0),
            elsewhere=goes_on,
        )

    async def _refill(self) -> None:
        """Keep the stock full and the fleet young, for as long as the pool lives."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self._wanted():
                if not self._in_need():
                    await self.lull.wait()
                # Chosen now: a browser may have died meanwhile.
                if (process := self._fleet.least_loaded()) is None:
                    break
                self._making += 1
                self._spawn(self._make(process))
            self._retire_spares()

    def _ask_for_more(self) -> None:
        self._work.set()
        if self._in_need():
            self.lull.hurry()

    def _in_need(self) -> bool:
        return bool(self._queue) or not self._warm

    def _wanted(self) -> bool:
        free = self._settings.browser_capacity - len(self._leased)
        target = max(self._settings.browser_warm, min(len(self._queue), free))
        fresh = sum(not isolate.process.draining for isolate in self._warm)
        return self._making < MAKERS and fresh + self._making < target

    async def _make(self, process: BrowserProcess) -> None:
        try:
            isolate = await Isolate.make(process, self._viewport)
        except (*DRIVER_ERRORS, TimeoutError):
            if not process.is_gone:
                log.warning("context_failed", pid=process.pid)
                self._fleet.distrust(process)
            return
        finally:
            self._making -= 1
            self._work.set()
        if process.is_gone:
            return
        self._warm.append(isolate)
        self._serve()

    def _retire_spares(self) -> None:
        """What stands ready in a browser that is to be replaced goes once the stock is full without it."""
        fresh = [isolate for isolate in self._warm if not isolate.process.draining]
        if len(fresh) >= self._settings.browser_warm and len(fresh) < len(self._warm):
            spares = [isolate for isolate in self._warm if isolate.process.draining]
            self._warm = deque(fresh)
            for isolate in spares:
                self._discard(isolate)

    def _discard(self, isolate: Isolate) -> None:
        self._spawn(self._close(isolate))

    async def _close(self, isolate: Isolate) -> None:
        await self.lull.wait()
        if not await isolate.close():
            self._fleet.distrust(isolate.process)
        self._fleet.settle(isolate.process)

    def _lost(self, process: BrowserProcess) -> None:
        """A browser has gone: so has everything in it."""
        self._warm = deque(isolate for isolate in self._warm if isolate.process is not process)
        for isolate in tuple(self._leased):
            if isolate.process is process:
                isolate.on_lost()
        self._work.set()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
