"""The browser of a session: leased at its first use, leased anew after it is lost, given back when its stream ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from google.protobuf.duration_pb2 import Duration

from meshwright.serving.errors import MeshError
from meshwright.tools.browser_lease import BrowserLease
from meshwright.tools.browser_state import StateKeeper
from meshwright.tools.frames import browser_leased, browser_released
from meshwright.tools.tabs import OpenDialog, Tab, TabClaim, Tabs
from meshwright.v1 import browser_pb2
from meshwright.v1 import error_reason_pb2 as reasons

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from meshwright.tools.browser_lease import Browsers
    from meshwright.tools.context import CallContext
    from meshwright.tools.frames import Frame
    from meshwright.tools.order import KeyedOrder

LEASE_WAIT_SECONDS = 10.0
COMMAND_MARGIN_SECONDS = 2.0
"""The call's own deadline passes first; the browser's is there in case we cannot stop a command any more."""
MAX_COMMAND_SECONDS = 600.0
CRASH_SECONDS = 0.25


class SessionBrowser:
    """Runs commands on the session's tabs, whatever becomes of the browser under them.

    `emit` is awaited with the frames that tell the stream's client of the browser.
    """

    def __init__(
        self,
        browsers: Browsers,
        session_id: str,
        emit: Callable[[Frame], Awaitable[None]],
        order: KeyedOrder,
        *,
        idle_seconds: float,
        storage_state: bytes = b"",
        url: str = "",
    ) -> None:
        self._browsers = browsers
        self._session_id = session_id
        self._emit = emit
        self._order = order
        self._idle_seconds = idle_seconds
        self._lease: BrowserLease | None = None
        self._leasing: asyncio.Task[BrowserLease] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._blank = ""
        self._left: list[str] = []
        """Tabs to close as soon as there is another: the last tab of a browser cannot be closed."""
        self.tabs = Tabs()
        self.state = StateKeeper(emit, storage_state=storage_state, url=url)

    async def run(
        self, claim: TabClaim, command: browser_pb2.BrowserCommand, call: CallContext
    ) -> browser_pb2.BrowserResult:
        """Runs a command on the claimed tab, which is opened if it is not open yet. Raises what the browser answers."""
        lease = await self._on_tab(claim, call, restore=not command.HasField("navigate"))
        result = await self._command(lease, claim.tab, command, call.remaining())
        claim.tab.url = result.tab.url
        self.state.note_address(result.tab.url)
        return result

    async def list_tabs(self, call: CallContext) -> list[browser_pb2.Tab]:
        """The tabs of the browser; none when there is no browser."""
        if self._lease is None:
            return []
        command = browser_pb2.BrowserCommand(list_tabs=browser_pb2.ListTabs())
        result = await self._command(self._lease, None, command, call.remaining())
        return list(result.tabs.tabs)

    def abandon(self, tab: Tab) -> None:
        """Gives up a tab that a call was to open and that shows no page, so that it neither counts nor is used later."""
        lease = self._lease
        was_open = bool(tab.tab_id) and not tab.gone
        self.tabs.forget(tab)
        if not was_open or lease is None:
            return
        self._left.append(tab.tab_id)
        if self.tabs.any_left:
            self._close_left(lease)

    async def close(self, *, save: bool) -> None:
        """Gives the browser back; with `save` after telling the client what a later one needs. May be called twice."""
        self.state.stop()
        if self._leasing is not None:
            self._leasing.cancel()
            await asyncio.wait({self._leasing})
        lease = self._lease
        if lease is None:
            if save and self._watching is not None:
                await self._watching
        elif save:
            await self.state.save(lease)
            self._stop_watching()
            await lease.release()
            await self._emit(browser_released(lease.lease.lease_id, lease.held_seconds, lease.reason()))
        else:
            await lease.cut()
        self._stop_watching()

    def _stop_watching(self) -> None:
        if self._watching is not None:
            self._watching.cancel()

    async def _on_tab(self, claim: TabClaim, call: CallContext, *, restore: bool) -> BrowserLease:
        tab = claim.tab
        if tab.gone:
            raise gone(tab)
        lease = await self._held(call)
        if tab.gone:
            raise gone(tab)
        if self._blank and (tab.tab_id == self._blank or not (tab.tab_id or self.tabs.known(self._blank))):
            blank, self._blank = self._blank, ""
            self.tabs.name(tab, blank)
            if restore and self.state.url:
                await self._restore(lease, tab, call)
        elif not tab.tab_id:
            await self._open_tab(lease, tab, call)
        return lease

    async def _held(self, call: CallContext) -> BrowserLease:
        if self._lease is not None:
            return self._lease
        if self._leasing is None or self._leasing.done():
            self._leasing = asyncio.create_task(self._acquire(min(LEASE_WAIT_SECONDS, call.remaining())))
            # Every call that waits for it may have been cancelled by then.
            self._leasing.add_done_callback(lambda task: task.cancelled() or task.exception())
        async with call.telling("Waiting for a browser"):
            return await asyncio.shield(self._leasing)

    async def _acquire(self, wait: float) -> BrowserLease:
        if self._watching is not None:
            await self._watching
        spec = browser_pb2.LeaseSpec(
            session_id=self._session_id,
            storage_state=self.state.storage_state,
            wait=_duration(wait),
            limits=browser_pb2.LeaseLimits(idle_timeout=_duration(self._idle_seconds)),
        )
        lease = await BrowserLease.acquire(self._browsers, spec, self._on_event, self._on_end)
        self._lease, self._blank = lease, lease.lease.tab_id
        self._watching = asyncio.create_task(self._watch(lease))
        await self._emit(browser_leased(lease.lease))
        return lease

    async def _watch(self, lease: BrowserLease) -> None:
        await lease.ended.wait()
        await self.state.tell()
        await self._emit(browser_released(lease.lease.lease_id, lease.held_seconds, lease.reason()))

    async def _open_tab(self, lease: BrowserLease, tab: Tab, call: CallContext) -> None:
        command = browser_pb2.BrowserCommand(open_tab=browser_pb2.OpenTab())
        while True:
            try:
                result = await self._command(lease, None, command, call.remaining())
            except MeshError as error:
                if error.reason != reasons.ERROR_REASON_QUOTA_EXCEEDED or not await self._make_room(lease, call):
                    raise
            else:
                self.tabs.name(tab, result.tab.tab_id)
                self._close_left(lease)
                return

    def _close_left(self, lease: BrowserLease) -> None:
        left, self._left = self._left, []
        for tab_id in left:
            lease.post(browser_pb2.BrowserCommand(tab_id=tab_id, close_tab=browser_pb2.CloseTab()))

    async def _make_room(self, lease: BrowserLease, call: CallContext) -> bool:
        """Closes the tab that was used longest ago and that no call waits for. Says whether there was one."""
        for tab in self.tabs.oldest_first():
            if not self._order.is_claimed(tab):
                self.tabs.forget(tab)
                command = browser_pb2.BrowserCommand(close_tab=browser_pb2.CloseTab())
                await self._command(lease, tab, command, call.remaining())
                return True
        return False

    async def _restore(self, lease: BrowserLease, tab: Tab, call: CallContext) -> None:
        command = browser_pb2.BrowserCommand(navigate=browser_pb2.Navigate(url=self.state.url))
        async with call.telling(f"Going back to {self.state.url}"):
            await self._command(lease, tab, command, call.remaining())

    async def _command(
        self, lease: BrowserLease, tab: Tab | None, command: browser_pb2.BrowserCommand, seconds: float
    ) -> browser_pb2.BrowserResult:
        command.tab_id = tab.tab_id if tab else ""
        if not command.HasField("timeout"):
            command.timeout.CopyFrom(_duration(min(seconds + COMMAND_MARGIN_SECONDS, MAX_COMMAND_SECONDS)))
        with self.state.busy(lease):
            try:
                return await lease.run(command)
            except MeshError as error:
                if tab is not None and error.reason in TAB_IS_GONE:
                    self.tabs.forget(tab)
                if error.reason == reasons.ERROR_REASON_BROWSER_CRASHED:
                    # Whether only the tab is gone or the browser with it shows a moment later.
                    await lease.ends_within(CRASH_SECONDS)
                raise

    def _on_end(self) -> None:
        self._lease = None
        self._left.clear()
        self.tabs.forget_all()

    def _on_event(self, event: browser_pb2.PageEvent) -> None:
        kind = event.WhichOneof("kind")
        if kind in ("tab_closed", "crash"):
            if self.tabs.known(event.tab_id):
                self.tabs.forget(self.tabs.find(event.tab_id))
        elif kind == "dialog":
            self.tabs.find(event.tab_id).dialog = OpenDialog(event.dialog.type, event.dialog.message)
        elif kind == "popup":
            opened = event.popup.tab
            if self.tabs.last is not None:
                self.tabs.last.notices.append(f"A page opened the tab {opened.tab_id}: {opened.url}")
            self.tabs.find(opened.tab_id).url = opened.url
        elif kind == "download" and event.download.state == browser_pb2.DOWNLOAD_STATE_FAILED:
            name = event.download.suggested_name
            self.tabs.find(event.tab_id).notices.append(f"The page offered the download {name}, which was refused.")
        elif kind == "navigated" and self.tabs.known(event.tab_id):
            self.tabs.find(event.tab_id).url = event.navigated.tab.url


TAB_IS_GONE = frozenset({reasons.ERROR_REASON_TAB_NOT_FOUND, reasons.ERROR_REASON_BROWSER_CRASHED})


def gone(tab: Tab) -> MeshError:
    """TAB_NOT_FOUND for a tab that was there, or was to be there, when the call arrived."""
    named = f"The tab {tab.tab_id} is gone" if tab.tab_id else "The tab did not open"
    return MeshError(
        reasons.ERROR_REASON_TAB_NOT_FOUND,
        f"{named}. Open the page again with browser.open.",
        metadata={"tab_id": tab.tab_id},
    )


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromMilliseconds(max(1, round(seconds * 1000)))
    return duration
