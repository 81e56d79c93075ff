"""What happens in the pages of a lease without a command, as events of the contract."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from playwright.async_api import Error as PlaywrightError

from meshwright.browser import failures
from meshwright.browser.tab import MAX_URL, clean
from meshwright.v1 import browser_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from playwright.async_api import (
        BrowserContext,
        ConsoleMessage,
        Dialog,
        Download,
        Frame,
        Page,
        ViewportSize,
        WebError,
    )

    from meshwright.browser.tab import Tab
    from meshwright.browser.tabs import Tabs

DIALOG_SECONDS = 10.0
"""After which a dialog that nobody answers is dismissed."""
DISPOSE_SECONDS = 5.0
MAX_TEXT = 4096
MAX_NAME = 255


class PageEvents:
    """Listens to the pages of a context, keeps its tabs up to date and tells whoever subscribes.

    Listeners must not raise: Playwright would raise it out of the next command.
    """

    def __init__(self, tabs: Tabs) -> None:
        self._tabs = tabs
        self._listeners: list[Callable[[browser_pb2.PageEvent], None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._downloads = 0
        self.viewport: ViewportSize | None = None
        """The size of tabs, where it is not the context's own."""
        self._detached = False

    def subscribe(self, listener: Callable[[browser_pb2.PageEvent], None]) -> None:
        """Call the listener with every event from now on."""
        self._listeners.append(listener)

    def attach(self, context: BrowserContext) -> None:
        """Listen to the context and to the pages that it has."""
        context.on("console", self._console)
        context.on("weberror", self._web_error)
        context.on("dialog", self._dialog)
        for tab in self._tabs:
            if tab.page is not None:
                self.attach_page(tab, tab.page)

    def attach_page(self, tab: Tab, page: Page) -> None:
        """Listen to a page, from now on the one of the tab."""
        tab.page = page
        page.on("framenavigated", partial(self._navigated, tab))
        page.on("popup", self._popup)
        page.on("download", partial(self._download, tab))
        page.on("crash", lambda _page: self._crash(tab))
        page.on("close", lambda _page: self._close(tab))

    async def fit(self, page: Page) -> None:
        """Give a new page the size that the lease asked for."""
        if self.viewport is not None:
            with suppress(PlaywrightError):
                await page.set_viewport_size(self.viewport)

    def detach(self) -> None:
        """Tell nobody any more."""
        self._detached = True
        self._listeners.clear()
        for task in self._tasks:
            task.cancel()

    def dispose(self, page: Page) -> None:
        """Close a page in the background."""
        self._spawn(_dispose(page))

    def _emit(self, tab: Tab, event: browser_pb2.PageEvent) -> None:
        if self._detached:
            return
        event.tab_id = tab.tab_id
        event.time.GetCurrentTime()
        for listener in self._listeners:
            listener(event)

    def _console(self, message: ConsoleMessage) -> None:
        if message.page is not None and (tab := self._tabs.of(message.page)):
            console = browser_pb2.ConsoleMessage(level=message.type, text=clean(message.text, MAX_TEXT))
            self._emit(tab, browser_pb2.PageEvent(console=console))

    def _web_error(self, error: WebError) -> None:
        if error.page is not None and (tab := self._tabs.of(error.page)):
            console = browser_pb2.ConsoleMessage(level="pageerror", text=clean(str(error.error), MAX_TEXT))
            self._emit(tab, browser_pb2.PageEvent(console=console))

    def _dialog(self, dialog: Dialog) -> None:
        tab = self._tabs.of(dialog.page) if dialog.page is not None else None
        if tab is None or self._detached:
            self._spawn(_dismiss(dialog))
            return
        if dialog.type == "beforeunload" and tab.leaving:
            self._spawn(_accept(dialog))
            return
        tab.show_dialog(dialog)
        shown = browser_pb2.Dialog(
            type=dialog.type,
            message=clean(dialog.message, MAX_TEXT),
            default_text=clean(dialog.default_value, MAX_TEXT),
        )
        self._emit(tab, browser_pb2.PageEvent(dialog=shown))
        self._spawn(self._dismiss_later(tab, dialog))

    async def _dismiss_later(self, tab: Tab, dialog: Dialog) -> None:
        await asyncio.sleep(DIALOG_SECONDS)
        if tab.dialog is dialog:
            tab.show_dialog(None)
            await _dismiss(dialog)

    def _popup(self, page: Page) -> None:
        if self._tabs.is_full or self._detached:
            self.dispose(page)
            return
        tab = self._tabs.add(behind=True)
        self.attach_page(tab, page)
        self._spawn(self.fit(page))
        self._emit(tab, browser_pb2.PageEvent(popup=browser_pb2.Popup(tab=tab.describe_roughly())))

    def _navigated(self, tab: Tab, frame: Frame) -> None:
        if frame.parent_frame is None and not tab.gone.is_set():
            moved = browser_pb2.Navigated(tab=tab.describe_roughly())
            self._emit(tab, browser_pb2.PageEvent(navigated=moved))

    def _download(self, tab: Tab, download: Download) -> None:
        """Downloads are refused by the context; here they are only reported."""
        self._downloads += 1
        refusal = failures.download_refused().to_status()
        for state, error in (
            (browser_pb2.DOWNLOAD_STATE_STARTED, None),
            (browser_pb2.DOWNLOAD_STATE_FAILED, refusal),
        ):
            seen = browser_pb2.Download(
                download_id=f"d{self._downloads}",
                state=state,
                url=clean(download.url, MAX_URL),
                suggested_name=clean(download.suggested_filename, MAX_NAME),
                error=error,
            )
            self._emit(tab, browser_pb2.PageEvent(download=seen))

    def _crash(self, tab: Tab) -> None:
        tab.crashed = True
        tab.gone.set()
        self._emit(tab, browser_pb2.PageEvent(crash=browser_pb2.Crash()))

    def _close(self, tab: Tab) -> None:
        tab.show_dialog(None)
        tab.gone.set()
        self._tabs.remove(tab)
        self._emit(tab, browser_pb2.PageEvent(tab_closed=browser_pb2.TabClosed()))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _dispose(page: Page) -> None:
    """Close a page, giving up after a while: closing during a navigation can hang. Never raises."""
    with suppress(PlaywrightError, TimeoutError):
        async with asyncio.timeout(DISPOSE_SECONDS):
            await page.close()


async def _accept(dialog: Dialog) -> None:
    with suppress(PlaywrightError):
        await dialog.accept()


async def _dismiss(dialog: Dialog) -> None:
    with suppress(PlaywrightError):
        await dialog.dismiss()
