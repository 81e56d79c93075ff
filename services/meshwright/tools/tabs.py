"""The tabs of a session's browser as calls know them, in the order in which calls name them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable


@dataclass(eq=False, slots=True)
class Tab:
    """A tab, or the promise of one that a call is about to open. Its identity is the key by which calls take turns."""

    tab_id: str = ""
    """The browser's id; empty until the tab is open."""
    snapshot_id: str = ""
    """The snapshot that the model saw last; empty while it saw none."""
    url: str = ""
    gone: bool = False
    """It was closed, never opened, or its browser is gone."""


@dataclass(frozen=True, slots=True)
class TabClaim:
    """A call's place on a tab. What the model knew when it made the call is fixed here, when the call arrives."""

    tab: Tab
    snapshot_id: str = field(compare=False)
    """The snapshot from which the call's refs come."""
    new: bool = False
    """The tab is the call's to open."""
    shows_page: bool = False
    """The call gives the model the page as it is afterwards."""

    @property
    def key(self) -> Hashable:
        """Calls on one tab run one after another."""
        return self.tab


class Tabs:
    """Which tabs there are, and which was used last."""

    def __init__(self) -> None:
        self._by_id: dict[str, Tab] = {}
        self._used: list[Tab] = []

    def claim(self, tab_id: str, *, shows_page: bool = False) -> TabClaim:
        """A place on the tab of that id, or with an empty id on the one used last, be it still on its way."""
        tab = self.find(tab_id) if tab_id else self.last
        if tab is None:
            tab = Tab()
        self._use(tab)
        return TabClaim(tab, tab.snapshot_id, shows_page=shows_page)

    def claim_new(self) -> TabClaim:
        """The promise of a tab that the call opens."""
        tab = Tab()
        self._use(tab)
        return TabClaim(tab, "", new=True, shows_page=True)

    @property
    def last(self) -> Tab | None:
        """The tab used last; None while there is none."""
        self._used = [tab for tab in self._used if not tab.gone]
        return self._used[-1] if self._used else None

    def find(self, tab_id: str) -> Tab:
        """The tab of that id; one that nobody heard of is left to the browser to judge."""
        if tab_id not in self._by_id:
            self.name(Tab(), tab_id)
        return self._by_id[tab_id]

    def known(self, tab_id: str) -> bool:
        """Whether some call or event named the tab."""
        return tab_id in self._by_id

    def name(self, tab: Tab, tab_id: str) -> None:
        """The tab is open, under that id."""
        tab.tab_id = tab_id
        self._by_id[tab_id] = tab

    def forget(self, tab: Tab) -> None:
        """The tab is closed, or will not open."""
        tab.gone = True
        if self._by_id.get(tab.tab_id) is tab:
            del self._by_id[tab.tab_id]

    def forget_all(self) -> None:
        """The browser is gone, and every tab with it."""
        for tab in {*self._by_id.values(), *self._used}:
            tab.gone = True
        self._by_id.clear()
        self._used.clear()

    def _use(self, tab: Tab) -> None:
        if tab in self._used:
            self._used.remove(tab)
        self._used.append(tab)
