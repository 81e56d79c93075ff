"""Conversations between the mesh's form and pydantic-ai's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_ai.messages import (
    BinaryContent,
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from meshwright.models import interface
from meshwright.models.call_ids import wire_call_id
from meshwright.models.interface import AssistantTurn, ToolTurn, UserTurn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic_ai.messages import ModelRequestPart, ModelResponsePart, UserContent

    from meshwright.models.tool_names import ToolNames

MAX_STATE_BYTES = 1 << 20


def to_messages(request: interface.ModelRequest, names: ToolNames) -> list[ModelMessage]:
    """The conversation as pydantic-ai sends it."""
    messages: list[ModelMessage] = []
    asked: list[ModelRequestPart] = [SystemPromptPart(request.system)] if request.system else []
    for turn in request.turns:
        match turn:
            case UserTurn():
                asked.append(UserPromptPart(_user_content(turn)))
            case ToolTurn():
                asked.append(
                    ToolReturnPart(
                        names.to_wire(turn.tool),
                        turn.text,
                        wire_call_id(turn.call_id),
                        outcome="failed" if turn.is_error else "success",
                    )
                )
            case AssistantTurn():
                messages.append(ModelRequest(asked))
                asked = []
                messages.append(_restored(turn) or _rebuilt(turn, names))
    if asked:
        messages.append(ModelRequest(asked))
    return messages


def state_of(response: ModelResponse, call_ids: Sequence[str]) -> bytes:
    """The answer as the provider wants to see it again; nothing when plain text and calls say it all.

    `call_ids` are the mesh's ids of its calls, in order: under them the results will come.
    """
    if not any(isinstance(part, ThinkingPart) or part.provider_details for part in response.parts):
        return b""
    ids = iter(call_ids)
    parts = [
        replace(part, tool_call_id=wire_call_id(next(ids))) if isinstance(part, ToolCallPart) else part
        for part in response.parts
    ]
    data = ModelMessagesTypeAdapter.dump_json([replace(response, parts=parts)])
    return data if len(data) <= MAX_STATE_BYTES else b""


def _restored(turn: AssistantTurn) -> ModelResponse | None:
    if not turn.provider_state:
        return None
    try:
        (message,) = ModelMessagesTypeAdapter.validate_json(turn.provider_state)
    except (ValidationError, ValueError):
        # State of another lane: the session's model was changed.
        return None
    return message if isinstance(message, ModelResponse) else None


def _rebuilt(turn: AssistantTurn, names: ToolNames) -> ModelResponse:
    parts: list[ModelResponsePart] = [TextPart(turn.text)] if turn.text else []
    parts += [
        ToolCallPart(names.to_wire(call.tool), call.arguments, wire_call_id(call.call_id)) for call in turn.tool_calls
    ]
    return ModelResponse(parts)


def _user_content(turn: UserTurn) -> str | list[UserContent]:
    if not turn.images:
        return turn.text
    images = [BinaryContent(image.data, media_type=image.media_type) for image in turn.images]
    return [turn.text, *images] if turn.text else [*images]
