"""Adding up what was used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshwright.v1.event_pb2 import Event, EventKind
from meshwright.v1.run_pb2 import Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meshwright.store.interface import Draft


def add_usage(total: Usage, more: Usage) -> None:
    """Add to a sum. A cost in another currency than the sum's is left out."""
    total.input_tokens += more.input_tokens
    total.output_tokens += more.output_tokens
    total.cached_input_tokens += more.cached_input_tokens
    total.reasoning_tokens += more.reasoning_tokens
    total.model_calls += more.model_calls
    total.tool_calls += more.tool_calls
    if more.HasField("browser_duration"):
        held = total.browser_duration.ToTimedelta() + more.browser_duration.ToTimedelta()
        total.browser_duration.FromTimedelta(held)
    if more.HasField("cost_micros") and total.currency_code in ("", more.currency_code):
        total.cost_micros += more.cost_micros
        total.currency_code = more.currency_code


def usage_in(drafts: Sequence[Draft]) -> Usage:
    """The sum of what the usage_recorded events among the drafts say."""
    total = Usage()
    for draft in drafts:
        if draft.kind == EventKind.EVENT_KIND_USAGE_RECORDED:
            add_usage(total, Event.FromString(draft.payload).usage_recorded.usage)
    return total


def tokens_of(usage: Usage) -> int:
    """Input and output tokens."""
    return usage.input_tokens + usage.output_tokens
