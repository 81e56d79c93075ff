"""How long a session holds a browser, and on whose account: its run's while one is at work, the session's own while it rests."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class BrowserMeter:
    """The browser time of one session, in seconds. Every moment of a lease is counted once, or not at all after a crash."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._leased_at: float | None = None
        self._charged = 0.0
        """Of this lease, to runs that are over."""
        self._rested = 0.0
        """Of this lease, between runs."""
        self._since = 0.0
        """When the run at work, or the rest, began to hold this lease."""
        self._working = False
        self._earlier = 0.0
        """Of the run at work, from leases that are over."""
        self._noted = 0.0

    @property
    def is_needed(self) -> bool:
        """Something is being counted."""
        return self._working or self._leased_at is not None

    def leased(self) -> None:
        """The session got a browser."""
        self._leased_at = self._since = self._clock()
        self._charged = self._rested = 0.0

    def begin(self) -> None:
        """A run is at work."""
        now = self._clock()
        if self._leased_at is not None and not self._working:
            self._rested += now - self._since
        self._since = now
        self._working = True
        self._earlier = self._noted = 0.0

    def run_seconds(self) -> float:
        """What the run at work has held a browser so far. The caller writes it down: it is the run's from now on."""
        self._noted = self._earlier
        if self._leased_at is not None:
            self._noted += self._clock() - self._since
        return self._noted

    def rest(self) -> None:
        """No run is at work any more. What was not written down for it counts for the session."""
        if self._leased_at is not None and self._working:
            noted = max(0.0, self._noted - self._earlier)
            self._charged += noted
            self._since += noted
        self._working = False

    def released(self, held: float | None) -> float:
        """The session's browser is gone after `held` seconds, or as long as it seemed; what of that counts for the session."""
        if self._leased_at is None:
            return 0.0
        now = self._clock()
        total = now - self._leased_at if held is None else held
        self._leased_at = None
        if not self._working:
            return max(0.0, total - self._charged)
        self._earlier += max(0.0, total - self._charged - self._rested)
        return min(self._rested, total)
