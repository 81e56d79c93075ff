"""How many browsers each principal has or waits for."""

from __future__ import annotations

from collections import Counter

from meshwright.browser import failures


class Shares:
    """Counts leases by principal, up to a limit for each; 0 means no limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken: Counter[str] = Counter()

    def take(self, principal: str, *, elsewhere: bool = False) -> None:
        """One more for the principal. Raises QUOTA_EXCEEDED, which sends it on to another replica if it asks `elsewhere`."""
        if self._limit and self._taken[principal] >= self._limit:
            raise failures.too_many_leases(principal, self._limit, elsewhere=elsewhere)
        self._taken[principal] += 1

    def give_back(self, principal: str) -> None:
        """One less."""
        self._taken[principal] -= 1
        if not self._taken[principal]:
            del self._taken[principal]
