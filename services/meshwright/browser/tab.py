"""One tab of a lease: its page, the order of its commands, its snapshots."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from playwright.async_api import Error as PlaywrightError

from meshwright.v1 import browser_pb2

if TYPE_CHECKING:
    from playwright.async_api import CDPSession, Dialog, Page

MAX_TITLE = 1024
MAX_URL = 8192


class Tab:
    """A tab. It exists from the moment it is asked for; `page` comes when it is open."""

    def __init__(self, tab_id: str, page: Page | None = None, cdp: CDPSession | None = None) -> None:
        self.tab_id = tab_id
        self.turn = asyncio.Lock()
        """Held by the command that runs on the tab; the others wait in the order in which they came."""
        self.page = page
        self.crashed = False
        self.gone = asyncio.Event()
        """Set once the page is closed or has crashed."""
        self.leaving = False
        """A command takes it elsewhere, so a page that asks whether to stay is not asked back."""
        self.dialog: Dialog | None = None
        """The dialog that the page has open."""
        self.dialog_opened = asyncio.Event()
        self.dialog_gone = asyncio.Event()
        self.dialog_gone.set()
        self._cdp = cdp
        self._snapshots = 0
        self._title = ""

    @property
    def snapshot_id(self) -> str:
        """Of the latest snapshot; empty before the first."""
        return f"s{self._snapshots}" if self._snapshots else ""

    def next_snapshot(self) -> str:
        """Number a new snapshot. The refs of the ones before are stale from now on."""
        self._snapshots += 1
        return self.snapshot_id

    @property
    def is_open(self) -> bool:
        """It has a page that was not closed."""
        return self.page is not None and not self.page.is_closed()

    def show_dialog(self, dialog: Dialog | None) -> None:
        """The page has opened a dialog, or (None) has none any more."""
        self.dialog = dialog
        if dialog is None:
            self.dialog_opened.clear()
            self.dialog_gone.set()
        else:
            self.dialog_opened.set()
            self.dialog_gone.clear()

    async def cdp(self) -> CDPSession:
        """The page's DevTools session."""
        assert self.page is not None
        if self._cdp is None:
            self._cdp = await self.page.context.new_cdp_session(self.page)
        return self._cdp

    async def describe(self) -> browser_pb2.Tab:
        """The tab as it is now. Asks the browser, not the page, so a page that hangs does not matter."""
        if not self.is_open or self.crashed:
            return self.describe_roughly()
        with suppress(PlaywrightError):
            history = await (await self.cdp()).send("Page.getNavigationHistory")
            entry = history["entries"][history["currentIndex"]]
            self._title = clean(entry["title"], MAX_TITLE)
            return browser_pb2.Tab(tab_id=self.tab_id, url=clean(entry["url"], MAX_URL), title=self._title)
        return self.describe_roughly()

    def describe_roughly(self) -> browser_pb2.Tab:
        """The tab as far as it is known without asking the browser: with the title of the last `describe`."""
        url = clean(self.page.url, MAX_URL) if self.page is not None else ""
        return browser_pb2.Tab(tab_id=self.tab_id, url=url, title=self._title)


def clean(text: str, limit: int) -> str:
    """The text cut to `limit` characters and without lone surrogates, which protobuf cannot carry."""
    return text[:limit].encode("utf-8", "replace").decode("utf-8")
