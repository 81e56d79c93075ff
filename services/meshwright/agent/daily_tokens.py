"""The tokens that a principal may use in a day, while its runs are at work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshwright.serving.errors import MeshError
from meshwright.store.refusals import tokens_exhausted
from meshwright.v1 import error_reason_pb2 as reasons

if TYPE_CHECKING:
    from meshwright.store.interface import Quotas, Store


async def spent_for_today(store: Store, principal: str, quotas: Quotas) -> MeshError | None:
    """QUOTA_EXCEEDED where they are used up. A store that is away for a moment is asked again before the next step."""
    limit = quotas.tokens_per_day
    if not limit:
        return None
    try:
        used = await store.tokens_today(principal)
    except MeshError as error:
        if error.reason != reasons.ERROR_REASON_UNAVAILABLE:
            raise
        return None
    return tokens_exhausted(principal, limit) if used >= limit else None
