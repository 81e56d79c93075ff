"""What pydantic-ai streams, as the mesh's parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from pydantic_ai.messages import (
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
)

from meshwright.models.arguments import parse_arguments
from meshwright.models.call_ids import new_call_id
from meshwright.models.interface import FinishReason, ReasoningDelta, TextDelta, ToolCall, Usage

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelResponseStreamEvent

    from meshwright.models.tool_names import ToolNames

_REASONS: dict[str | None, FinishReason] = {"length": "length", "content_filter": "refused", "tool_call": "tool_calls"}


def delta_of(event: ModelResponseStreamEvent) -> TextDelta | ReasoningDelta | None:
    """The text or reasoning that an event brings, if it brings any."""
    match event:
        case PartStartEvent(part=TextPart(content=text)) | PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
            return TextDelta(text) if text else None
        case PartStartEvent(part=ThinkingPart(content=text)):
            return ReasoningDelta(text) if text else None
        case PartDeltaEvent(delta=ThinkingPartDelta(content_delta=str(text))):
            return ReasoningDelta(text) if text else None
        case _:
            return None


def calls_of(response: ModelResponse, names: ToolNames) -> list[ToolCall]:
    """The whole tool calls of an answer."""
    calls: list[ToolCall] = []
    for part in response.parts:
        if isinstance(part, ToolCallPart):
            written = part.args if isinstance(part.args, str) else dict(part.args or {})
            arguments, error = parse_arguments(written)
            calls.append(ToolCall(new_call_id(), names.to_mesh(part.tool_name), arguments, error))
    return calls


def usage_of(response: ModelResponse) -> Usage:
    """What the answer took, with its price where it is known. Blocks when it loads the price list."""
    usage = Usage(
        input_tokens=response.usage.input_tokens,
        output_tokens=response.usage.output_tokens,
        cached_input_tokens=response.usage.cache_read_tokens,
        reasoning_tokens=response.usage.details.get("reasoning_tokens", 0),
    )
    try:
        cost = round(response.cost().total_price * 1_000_000)
    except (LookupError, ValueError):
        return usage
    return msgspec.structs.replace(usage, cost_micros=cost)


def finish_reason_of(response: ModelResponse, *, called: bool) -> FinishReason:
    """Why the answer ended."""
    return _REASONS.get(response.finish_reason) or ("tool_calls" if called else "stop")
