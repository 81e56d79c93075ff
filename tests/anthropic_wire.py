"""The scripted steps on the wire of Anthropic's Messages API, and its requests in the form of the scripts."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tests.model_script import Call, Cut, Fail, Finish, Hang, Late, Raw, Report, Say, Step, Think, Tokens
from tests.model_wire import pieces_of, until, wire_name

_STOP_REASONS = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens", "content_filter": "refusal"}


class AnthropicAnswer:
    """One streamed answer."""

    def __init__(self, body: dict[str, Any], write: Callable[[bytes], Awaitable[None]]) -> None:
        self._write = write
        self._model = body.get("model")
        self._index = 0
        self._deltas = 0

    async def play(self, steps: Sequence[Step]) -> bool:
        """Speak all steps; False when the script cuts the connection."""
        finish: str | None = "tool_calls" if any(isinstance(step, Call) for step in steps) else "stop"
        usage = next((step for step in steps if isinstance(step, Report)), None) or Report(10, 5)
        await self._begin(usage)
        for step in steps:
            match step:
                case Say() | Tokens():
                    await self._text(step)
                case Think():
                    await self._thinking(step)
                case Call():
                    await self._tool_use(step)
                case Finish():
                    finish = step.reason
                case Raw():
                    await self._write(step.data)
                case Hang():
                    await asyncio.Event().wait()
                case Cut():
                    return False
                case Fail():
                    raise AssertionError("Fail is only possible as the first step")
                case Report() | Late():
                    pass
        if finish is not None:
            delta = {"stop_reason": _STOP_REASONS.get(finish, finish), "stop_sequence": None}
            await self._event("message_delta", delta=delta, usage={"output_tokens": usage.output_tokens})
            await self._event("message_stop")
        return True

    async def _begin(self, usage: Report) -> None:
        counts = {
            "input_tokens": usage.input_tokens - usage.cached,
            "cache_read_input_tokens": usage.cached,
            "cache_creation_input_tokens": 0,
            "output_tokens": 1,
        }
        message: dict[str, Any] = {
            "id": f"msg_{uuid.uuid4().hex[:24]}",
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": counts,
        }
        await self._event("message_start", message=message)

    async def _text(self, step: Say | Tokens) -> None:
        await self._start({"type": "text", "text": ""})
        tokens = step.tokens() if isinstance(step, Say) else ["tok "] * step.count
        start = time.monotonic()
        for number, token in enumerate(tokens):
            await until(start + number * step.delay, step.delay)
            await self._delta({"type": "text_delta", "text": token})
        await self._stop()

    async def _thinking(self, step: Think) -> None:
        await self._start({"type": "thinking", "thinking": "", "signature": ""})
        for token in Say(step.text).tokens():
            await self._delta({"type": "thinking_delta", "thinking": token})
        await self._delta({"type": "signature_delta", "signature": "c2lnbmVk"})
        await self._stop()

    async def _tool_use(self, step: Call) -> None:
        call_id = step.call_id or f"toolu_{uuid.uuid4().hex[:24]}"
        await self._start({"type": "tool_use", "id": call_id, "name": wire_name(step.tool), "input": {}})
        text = step.arguments if isinstance(step.arguments, str) else json.dumps(dict(step.arguments))
        for piece in pieces_of(text, max(step.fragments, 1)):
            await self._delta({"type": "input_json_delta", "partial_json": piece})
        await self._stop()

    async def _start(self, block: dict[str, Any]) -> None:
        await self._event("content_block_start", index=self._index, content_block=block)

    async def _delta(self, delta: dict[str, Any]) -> None:
        await self._event("content_block_delta", index=self._index, delta=delta)

    async def _stop(self) -> None:
        await self._event("content_block_stop", index=self._index)
        self._index += 1

    async def _event(self, kind: str, **fields: Any) -> None:
        await self._write(f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode())


def openai_form(body: dict[str, Any]) -> dict[str, Any]:
    """A request of the Messages API as scripts read it."""
    messages: list[dict[str, Any]] = []
    for message in body["messages"]:
        blocks = message["content"]
        if isinstance(blocks, str):
            blocks = [{"type": "text", "text": blocks}]
        results = [block for block in blocks if block["type"] == "tool_result"]
        messages += [{"role": "tool", "content": _text_of(block["content"]), "block": block} for block in results]
        others = [block for block in blocks if block["type"] != "tool_result"]
        if others:
            messages.append({"role": message["role"], "content": others})
    tools = [{"function": {"name": tool["name"]}} for tool in body.get("tools", [])]
    return {**body, "messages": messages, "tools": tools}


def _text_of(content: str | list[dict[str, Any]]) -> str:
    return content if isinstance(content, str) else "".join(block.get("text", "") for block in content)
