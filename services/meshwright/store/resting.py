"""How long a store's writer rests after a batch of changes: what comes meanwhile travels together."""

from __future__ import annotations

REST_FACTOR = 2.0
"""A busy writer spends one part of its time on changes and those who wait for them, and so many at rest."""
MAX_REST_SECONDS = 0.04


def rest_after(spent: float) -> float:
    """Seconds of rest after a batch that took `spent` seconds of work, until everybody who waited for it had run."""
    return min(spent * REST_FACTOR, MAX_REST_SECONDS)
