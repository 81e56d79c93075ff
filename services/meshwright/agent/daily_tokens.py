"""The tokens that a principal may use in a day, while its runs are at work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshwright.store.refusals import tokens_exhausted

if TYPE_CHECKING:
    from meshwright.serving.errors import MeshError
    from meshwright.store.interface import Quotas, Store


async def spent_for_today(store: Store, principal: str, quotas: Quotas) -> MeshError | None:
    """QUOTA_EXCEEDED where they are used up. UNAVAILABLE."""
    limit = quotas.tokens_per_day
    if limit and await store.tokens_today(principal) >= limit:
        return tokens_exhausted(principal, limit)
    return None
