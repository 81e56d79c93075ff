"""The tabs of a lease."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshwright.browser import failures
from meshwright.browser.tab import Tab
from meshwright.serving.errors import MeshError, Quota
from meshwright.v1 import error_reason_pb2 as reasons

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.async_api import CDPSession, Page


class Tabs:
    """Tabs by id, in the order in which they were opened, and the one that was used last."""

    def __init__(self) -> None:
        self.limit = 1
        """Tabs at most."""
        self._tabs: dict[str, Tab] = {}
        self._opened = 0
        self._used: list[Tab] = []

    def __iter__(self) -> Iterator[Tab]:
        return iter(tuple(self._tabs.values()))

    def __len__(self) -> int:
        return len(self._tabs)

    @property
    def is_full(self) -> bool:
        """No other tab may be opened."""
        return len(self._tabs) >= self.limit

    @property
    def current(self) -> Tab:
        """The tab that was used last and is still there. Raises TAB_NOT_FOUND when none is."""
        if not self._used:
            raise failures.tab_not_found("")
        return self._used[-1]

    def find(self, tab_id: str) -> Tab:
        """The tab with the id, or the current one for an empty id; it becomes the current one. Raises TAB_NOT_FOUND."""
        if not tab_id:
            return self.current
        tab = self._tabs.get(tab_id)
        if tab is None:
            raise failures.tab_not_found(tab_id)
        self._used.remove(tab)
        self._used.append(tab)
        return tab

    def current_or_none(self) -> Tab:
        """The current tab, or one that is not there, for what concerns no tab."""
        return self._used[-1] if self._used else Tab("")

    def of(self, page: Page) -> Tab | None:
        """The tab that shows the page."""
        return next((tab for tab in self._tabs.values() if tab.page == page), None)

    def add(self, page: Page | None = None, cdp: CDPSession | None = None, *, behind: bool = False) -> Tab:
        """A new tab, which becomes the current one unless it opens `behind`."""
        self._opened += 1
        tab = Tab(f"t{self._opened}", page, cdp)
        self._tabs[tab.tab_id] = tab
        self._used.insert(0 if behind else len(self._used), tab)
        return tab

    def open_next(self) -> Tab:
        """A tab for a command that opens one: commands for it queue up already. Raises QUOTA_EXCEEDED."""
        if self.is_full:
            raise MeshError(
                reasons.ERROR_REASON_QUOTA_EXCEEDED,
                f"The lease has {self.limit} tabs, which is its limit.",
                quota=Quota("tabs", self.limit, ""),
            )
        return self.add()

    def remove(self, tab: Tab) -> None:
        """Forget a tab that is closed."""
        if self._tabs.pop(tab.tab_id, None) is not None:
            self._used.remove(tab)
