"""A model request as the body of a chat completion."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from meshwright.models.call_ids import wire_call_id
from meshwright.models.interface import AssistantTurn, ModelRequest, ToolTurn, UserTurn
from meshwright.models.openai_lane.state import AnswerState
from meshwright.models.tool_names import ToolNames

_encode = msgspec.json.encode


def encode_request(model: str, request: ModelRequest, names: ToolNames, *, output_limit_field: str) -> bytes:
    """The JSON body. `output_limit_field` is what the endpoint calls the upper bound of output tokens."""
    body: dict[str, Any] = {
        "model": model,
        "messages": _messages(request, names),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": names.to_wire(tool.name),
                    "description": tool.description,
                    "parameters": tool.parameters,
                },
            }
            for tool in request.tools
        ]
    if request.max_output_tokens is not None:
        body[output_limit_field] = request.max_output_tokens
    return _encode(body)


def _messages(request: ModelRequest, names: ToolNames) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    if request.system:
        messages.append({"role": "system", "content": request.system})
    for turn in request.turns:
        match turn:
            case UserTurn():
                messages.append({"role": "user", "content": _user_content(turn)})
            case AssistantTurn():
                messages.append(_assistant_message(turn, names))
            case ToolTurn():
                text = f"Error: {turn.text}" if turn.is_error else turn.text
                messages.append({"role": "tool", "tool_call_id": wire_call_id(turn.call_id), "content": text})
    return messages


def _user_content(turn: UserTurn) -> str | list[dict[str, Any]]:
    if not turn.images:
        return turn.text
    content: list[dict[str, Any]] = [{"type": "text", "text": turn.text}] if turn.text else []
    for image in turn.images:
        url = f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"
        content.append({"type": "image_url", "image_url": {"url": url}})
    return content


def _assistant_message(turn: AssistantTurn, names: ToolNames) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": turn.text or None}
    state = AnswerState.load(turn.provider_state)
    message |= state.message
    if turn.tool_calls:
        message["tool_calls"] = [
            {
                "id": wire_call_id(call.call_id),
                "type": "function",
                "function": {"name": names.to_wire(call.tool), "arguments": _encode(call.arguments).decode()},
            }
            | ({"extra_content": state.calls[call.call_id]} if call.call_id in state.calls else {})
            for call in turn.tool_calls
        ]
    return message
