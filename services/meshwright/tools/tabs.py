"""The tabs of a session's browser as calls know them, in the order in which calls name them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

DIALOG_SECONDS = 10.0
"""After which the browser dismisses a dialog that nobody answered."""


@dataclass(frozen=True, slots=True)
class OpenDialog:
    """A dialog that a page has open. Its message is untrusted."""

    kind: str
    message: str
    since: float = field(default_factory=time.monotonic)

    @property
    def is_open(self) -> bool:
        """The browser has not dismissed it yet."""
        return time.monotonic() < self.since + DIALOG_SECONDS


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
    dialog: OpenDialog | None = None
    """The dialog that waits for an answer."""
    notices: list[str] = field(default_factory=list)
    """What happened on the page and was not told to the model yet."""


@dataclass(frozen=True, eq=False, slots=True)
class TabClaim:
    """A call's place on a tab. What the model knew when it made the call is fixed here, when the call arrives."""

    tab: Tab
    snapshot_id: str
    """The snapshot from which the call's refs come."""
    new: bool = False
    """The tab is the call's to open."""
    shows_page: bool = False
    """The call gives the model the page as it is afterwards."""
    in_turn: bool = True
    """It waits for the calls before it."""

    @property
    def key(self) -> Hashable:
        """Calls on one tab run one after another."""
        return self.tab if self.in_turn else self


class Tabs:
    """Which tabs there are, and which was used last."""

    def __init__(self) -> None:
        self._by_id: dict[str, Tab] = {}
        self._used: list[Tab] = []

    def claim(self, tab_id: str, *, shows_page: bool = False, in_turn: bool = True) -> TabClaim:
        """A place on the tab of that id, or with an empty id on the one used last, be it still on its way."""
        tab = (self.find(tab_id) if tab_id else self.last) or Tab()
        self._use(tab)
        return TabClaim(tab, tab.snapshot_id, shows_page=shows_page, in_turn=in_turn)

    def claim_new(self) -> TabClaim:
        """The promise of a tab that the call opens."""
        tab = Tab()
        self._use(tab)
        return TabClaim(tab, "", new=True, shows_page=True)

    @property
    def last(self) -> Tab | None:
        """The tab used last; None while there is none."""
        return self._used[-1] if self._used else None

    def find(self, tab_id: str) -> Tab:
        """The tab of that id; one that nobody heard of is left to the browser to judge."""
        if tab_id not in self._by_id:
            self.name(Tab(), tab_id)
        return self._by_id[tab_id]

    def known(self, tab_id: str) -> bool:
        """Whether some call or event named the tab."""
        return tab_id in self._by_id

    @property
    def any_left(self) -> bool:
        """Whether there is any tab."""
        return bool(self._by_id)

    def oldest_first(self) -> Iterator[Tab]:
        """The open tabs, the one used longest ago first; those that no call ever used come last."""
        unused = [tab for tab in self._by_id.values() if tab not in self._used]
        yield from [tab for tab in (*self._used, *unused) if tab.tab_id]

    def name(self, tab: Tab, tab_id: str) -> None:
        """The tab is open, under that id."""
        tab.tab_id = tab_id
        self._by_id[tab_id] = tab

    def forget(self, tab: Tab) -> None:
        """The tab is closed, or will not open."""
        tab.gone = True
        if self._by_id.get(tab.tab_id) is tab:
            del self._by_id[tab.tab_id]
        if tab in self._used:
            self._used.remove(tab)

    def forget_all(self) -> None:
        """The browser is gone, and every tab with it."""
        for tab in (*self._by_id.values(), *self._used):
            tab.gone = True
        self._by_id.clear()
        self._used.clear()

    def _use(self, tab: Tab) -> None:
        if tab in self._used:
            self._used.remove(tab)
        self._used.append(tab)
