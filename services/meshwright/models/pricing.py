"""What tokens cost, by the list prices of genai-prices."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING

import msgspec

from meshwright.models.interface import Usage

if TYPE_CHECKING:
    from decimal import Decimal
    from types import ModuleType


async def price(usage: Usage, provider: str, model: str) -> Usage:
    """`usage` with its cost in micro-USD; unchanged when the price list has no such model.

    `provider` is an id of genai-prices (`openai`, `anthropic`, `google`, `aws`, ...). The list is the one that was
    installed: nothing is fetched.
    """
    # The list takes 25 MB and a third of a second to load: only who pays for tokens loads it, and not in the event
    # loop.
    prices = await asyncio.to_thread(_price_list)
    cost = _cost_micros(prices, usage, provider, model)
    return usage if cost is None else msgspec.structs.replace(usage, cost_micros=cost)


def _cost_micros(prices: ModuleType, usage: Usage, provider: str, model: str) -> int | None:
    """The cost in millionths of a US dollar, or None."""
    counted = prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_input_tokens,
    )
    try:
        found = prices.calc_price(counted, model, provider_id=provider)
    except (LookupError, ValueError):
        return None
    dollars: Decimal = found.total_price
    return round(dollars * 1_000_000)


@functools.cache
def _price_list() -> ModuleType:
    import genai_prices

    return genai_prices
