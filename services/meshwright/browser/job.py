"""One command while it runs: what its action needs to know."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from meshwright.v1.browser_pb2 import BrowserResult

if TYPE_CHECKING:
    from playwright.async_api import Page

    from meshwright.browser.lease import Lease
    from meshwright.browser.settings import BrowserSettings
    from meshwright.browser.tab import Tab

MILLISECONDS = 1000.0


@dataclass(slots=True)
class Job:
    """A command on a lease. `tab` is where it acts; for commands that concern no tab, the one that was used last."""

    lease: Lease
    tab: Tab
    seconds: float
    """Its deadline, from its start."""
    started: float = field(default_factory=time.monotonic)

    @property
    def page(self) -> Page:
        """The tab's page."""
        assert self.tab.page is not None
        return self.tab.page

    @property
    def settings(self) -> BrowserSettings:
        """Settings of the service."""
        return self.lease.settings

    def remaining(self) -> float:
        """Seconds until the deadline."""
        return max(self.seconds - (time.monotonic() - self.started), 0.0)

    def patience(self) -> float:
        """Milliseconds that an element may take to become actionable."""
        return min(self.settings.browser_action_seconds, self.remaining()) * MILLISECONDS


Handler = Callable[[Job, Any], Awaitable[BrowserResult | None]]


@dataclass(frozen=True, slots=True)
class Action:
    """How a kind of command is done."""

    handler: Handler
    """Does it; gives a result with an output, or None where there is nothing to give."""
    in_turn: bool = True
    """Waits until the commands before it on its tab have ended."""
    ends_at_dialog: bool = False
    """Has done its part when the page opens a dialog, which would otherwise hold it up until somebody answers."""
    mends: bool = False
    """Makes sense on a tab that has crashed."""
