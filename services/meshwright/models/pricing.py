"""What tokens cost, by the list prices of genai-prices."""

from __future__ import annotations

import asyncio
import functools
import threading
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
    cost = await asyncio.to_thread(_cost_micros, usage, provider, model)
    return usage if cost is None else msgspec.structs.replace(usage, cost_micros=cost)


def load_ahead() -> None:
    """Begin to load the price list, in a thread.

    It takes 25 MB and up to a second, so only who pays for tokens loads it, and early enough that no answer waits for it.
    """
    threading.Thread(target=_price_list, name="price-list", daemon=True).start()


def _cost_micros(usage: Usage, provider: str, model: str) -> int | None:
    """The cost in millionths of a US dollar, or None."""
    prices = _price_list()
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
    import genai_prices.data

    return genai_prices
