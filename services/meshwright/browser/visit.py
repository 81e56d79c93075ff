"""What a caller does at one pool of several: it looks around first, and then waits for a while at one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from meshwright.serving.elsewhere import MAX_ATTEMPTS

LOOKS = 6
"""So many pools are asked for a free browser before the caller queues up at one."""
FIRST_STAY = 0.025
LONGEST_STAY = 0.5
"""Seconds that a caller waits at one pool, each time twice as long as before up to the longest: a pool that is added is found that soon."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One caller at one pool. Times are in seconds."""

    stay: float
    """How long it waits here."""
    waited: float = 0.0
    """How long it has waited at other pools: it stands before those who have waited less."""
    looks: bool = False
    """It does not queue up here if the pool is full."""
    goes_on: bool = False
    """Refused, it asks another pool."""

    @classmethod
    def of(cls, attempt: int, wait: float) -> Self:
        """The `attempt`th visit of a caller that waits for `wait` seconds in all; 0 if it can make one only.

        The stays follow from the number alone, so pools need not know of one another, nor what time it is elsewhere.
        """
        if not attempt:
            return cls(wait)
        if attempt <= LOOKS:
            return cls(min(wait, LONGEST_STAY), looks=True, goes_on=True)
        waited = min(sum(map(_stay, range(LOOKS + 1, min(attempt, MAX_ATTEMPTS)))), wait)
        stay = _stay(attempt)
        return cls(min(stay, wait - waited), waited, goes_on=waited + stay < wait)


def _stay(attempt: int) -> float:
    return min(FIRST_STAY * 2.0 ** min(attempt - LOOKS - 1, 10), LONGEST_STAY)
