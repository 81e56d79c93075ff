"""A lease: an isolate in somebody's hands, its tabs and the commands on them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING
from uuid import uuid4

from google.protobuf.timestamp_pb2 import Timestamp

from meshwright.browser import failures
from meshwright.browser.actions.catalogue import ACTIONS
from meshwright.browser.job import Job
from meshwright.browser.perform import perform
from meshwright.browser.visit import Visit
from meshwright.serving.calls import resumed
from meshwright.serving.errors import MeshError, Quota
from meshwright.serving.telemetry import span
from meshwright.v1 import browser_pb2
from meshwright.v1 import error_reason_pb2 as reasons

if TYPE_CHECKING:
    from collections.abc import Callable

    from meshwright.browser.job import Action
    from meshwright.browser.pool import Grant, Pool
    from meshwright.browser.settings import BrowserSettings
    from meshwright.browser.tab import Tab
    from meshwright.browser.terms import Terms

COMMAND_SECONDS = 30.0
MAX_PENDING = 256
"""Commands of a lease that wait or run, at most."""


TABLESS = frozenset({"list_tabs", "get_storage_state"})


class Lease:
    """Runs commands on an isolate until it ends. Commands on one tab run in the order in which they were submitted."""

    def __init__(self, pool: Pool, settings: BrowserSettings, terms: Terms, grant: Grant) -> None:
        self.lease_id = f"lea_{uuid4().hex}"
        self.settings = settings
        self.terms = terms
        self.isolate = grant.isolate
        self.tabs = grant.isolate.tabs
        self.events = grant.isolate.events
        self.failure: MeshError | None = None
        """Why it ended against its holder's will."""
        self.ended = False
        self.control = browser_pb2.Control(holder=browser_pb2.CONTROL_HOLDER_AGENT, epoch=1)
        self._pool = pool
        self._grant = grant
        self._since = self._used = time.monotonic()
        self._pending: set[asyncio.Task[browser_pb2.BrowserResult]] = set()
        self._on_end: list[Callable[[], None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self.tabs.limit = terms.max_tabs
        grant.isolate.on_lost = self._crashed
        self._watch_time()

    @classmethod
    async def begin(cls, pool: Pool, settings: BrowserSettings, terms: Terms, attempt: int = 0) -> Lease:
        """A new lease, as soon as there is an isolate for it. Raises QUOTA_EXCEEDED, NO_BROWSER_AVAILABLE or BROWSER_CRASHED.

        `attempt` is that of `attempt_of`: callers that ask other replicas are sent on to them.
        """
        visit = Visit.of(attempt, terms.wait)
        pool.shares.take(terms.principal, elsewhere=visit.looks or (visit.goes_on and visit.waited > 0))
        try:
            grant = await pool.acquire(visit)
        except BaseException:
            pool.shares.give_back(terms.principal)
            raise
        lease = cls(pool, settings, terms, grant)
        lease.on_end(lambda: pool.shares.give_back(terms.principal))
        try:
            await lease._make_fit()
            if lease.isolate.process.is_gone:
                lease._crashed()
            if lease.failure is not None:
                raise lease.failure
        except BaseException:
            lease.end()
            raise
        return lease

    async def _make_fit(self) -> None:
        """Late changes to what was made ahead of time."""
        settings, terms = self.settings, self.terms
        if (terms.width, terms.height) != (settings.browser_width, settings.browser_height):
            await self.isolate.set_viewport({"width": terms.width, "height": terms.height})
        if terms.storage_state is not None:
            await self.isolate.set_storage_state(terms.storage_state, terms.storage_state_path)

    @property
    def is_busy(self) -> bool:
        """Commands wait or run."""
        return bool(self._pending)

    def describe(self) -> browser_pb2.Lease:
        """The lease as its holder sees it."""
        process = self.isolate.process
        lease = browser_pb2.Lease(
            lease_id=self.lease_id,
            tab_id=self.tabs.current.tab_id,
            viewport=browser_pb2.Viewport(width=self.terms.width, height=self.terms.height),
            profile=self.terms.profile,
            warm=self._grant.warm,
            expire_time=Timestamp(),
            sandboxed=process.sandboxed,
            browser_version=process.version,
            control=self.control,
        )
        lease.wait_duration.FromNanoseconds(round(self._grant.waited * 1e9))
        ends_in = self._since + self.terms.max_duration - time.monotonic()
        lease.expire_time.FromNanoseconds(time.time_ns() + round(ends_in * 1e9))
        return lease

    def submit(self, command: browser_pb2.BrowserCommand) -> asyncio.Task[browser_pb2.BrowserResult]:
        """Start a command, or queue it behind those on its tab. Cancelling the task stops it.

        Raises what can be told at once: LEASE_NOT_FOUND, TAB_NOT_FOUND, INVALID_FIELDS, QUOTA_EXCEEDED.
        """
        if self.ended:
            raise self.failure or failures.lease_not_found(self.lease_id)
        if len(self._pending) >= MAX_PENDING:
            raise MeshError(
                reasons.ERROR_REASON_QUOTA_EXCEEDED,
                "The lease has too many commands that wait or run.",
                quota=Quota("pending_commands", MAX_PENDING, self.lease_id),
            )
        kind = command.WhichOneof("action")
        if kind is None:
            raise MeshError.invalid_fields([("run.action", "must be set")])
        seconds = command.timeout.seconds + command.timeout.nanos / 1e9 or COMMAND_SECONDS
        action = ACTIONS[kind]
        tab = self._tab(kind, command.tab_id)
        task = asyncio.create_task(self._traced(action, tab, seconds, kind, command))
        self._pending.add(task)
        task.add_done_callback(self._command_ended)
        self._used = time.monotonic()
        return task

    def _tab(self, kind: str, tab_id: str) -> Tab:
        if kind == "open_tab":
            return self.tabs.open_next()
        if kind in TABLESS:
            return self.tabs.current_or_none()
        return self.tabs.find(tab_id)

    def on_end(self, callback: Callable[[], None]) -> None:
        """Call back when the lease ends, for whatever cause."""
        self._on_end.append(callback)

    def fail(self, failure: MeshError) -> None:
        """End the lease against its holder's will."""
        if not self.ended:
            self.failure = failure
            self.end()

    def end(self) -> None:
        """Give the isolate back and stop every command. Returns at once; ending twice does nothing."""
        if self.ended:
            return
        self.ended = True
        if self._timer is not None:
            self._timer.cancel()
        self.events.detach()
        for task in self._pending:
            task.cancel()
        self._pool.release(self.isolate, time.monotonic() - self._since)
        for callback in self._on_end:
            callback()

    async def _traced(
        self, action: Action, tab: Tab, seconds: float, kind: str, command: browser_pb2.BrowserCommand
    ) -> browser_pb2.BrowserResult:
        with resumed(command.traceparent), span("browser.command", action=kind):
            return await self._run(action, tab, seconds, getattr(command, kind))

    async def _run(self, action: Action, tab: Tab, seconds: float, message: object) -> browser_pb2.BrowserResult:
        try:
            if not action.in_turn:
                return await perform(action, Job(self, tab, seconds), message)
            async with tab.turn:
                with self._pool.lull.command():
                    return await perform(action, Job(self, tab, seconds), message)
        except asyncio.CancelledError:
            if self.failure is not None:
                raise self.failure from None
            raise

    def _command_ended(self, task: asyncio.Task[browser_pb2.BrowserResult]) -> None:
        self._pending.discard(task)
        self._used = time.monotonic()

    def _crashed(self) -> None:
        self.fail(failures.browser_crashed(self.lease_id))

    def _watch_time(self) -> None:
        """End the lease at one of its limits, or look again when the nearest may be reached."""
        now = time.monotonic()
        if now >= self._since + self.terms.max_duration:
            self.fail(failures.lease_expired(self.lease_id, "max_duration", self.terms.max_duration))
            return
        idle_from = now if self.is_busy else self._used
        if now >= idle_from + self.terms.idle_timeout:
            self.fail(failures.lease_expired(self.lease_id, "idle_timeout", self.terms.idle_timeout))
            return
        nearest = min(self._since + self.terms.max_duration, idle_from + self.terms.idle_timeout)
        self._timer = asyncio.get_running_loop().call_later(nearest - now, self._watch_time)
