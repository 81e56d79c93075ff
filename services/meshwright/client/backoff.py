"""How long to wait between attempts."""

from __future__ import annotations

import random

FIRST_SECONDS = 0.1
LONGEST_SECONDS = 2.0
LONGEST_ASKED_SECONDS = 10.0


class Backoff:
    """Waits that double and are jittered, so that clients that lost one mesh do not all come back at once."""

    def __init__(self) -> None:
        self.attempts = 0

    def reset(self) -> None:
        """Begin anew: something worked."""
        self.attempts = 0

    def next(self, retry_after: float | None = None) -> float:
        """Seconds to wait before the next attempt; no less than the mesh asked for, within reason."""
        longest = min(LONGEST_SECONDS, FIRST_SECONDS * float(1 << min(self.attempts, 10)))
        self.attempts += 1
        wait = longest * random.uniform(0.5, 1.0)  # noqa: S311  # jitter is no secret
        return max(wait, min(retry_after or 0.0, LONGEST_ASKED_SECONDS))
