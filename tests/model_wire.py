"""How the scripted steps look on the wire: OpenAI's chat-completions chunks."""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tests.model_script import Call, Cut, Fail, Finish, Hang, Late, Raw, Report, Say, Step, Think, Tokens


class OpenAIAnswer:
    """One streamed answer."""

    def __init__(self, body: dict[str, Any], write: Callable[[bytes], Awaitable[None]]) -> None:
        self._write = write
        self._wants_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        head = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": body.get("model"),
            "system_fingerprint": "fp_scripted",
        }
        self._head = json.dumps(head, separators=(",", ":"))[:-1]
        self._deltas = 0
        self._calls = 0

    async def play(self, steps: Sequence[Step]) -> bool:
        """Speak all steps; False when the script cuts the connection."""
        finish: str | None = "tool_calls" if any(isinstance(step, Call) for step in steps) else "stop"
        usage: Report | None = None
        late = 0.0
        await self._delta({"role": "assistant", "content": ""})
        for group in _grouped(steps):
            match group:
                case Say():
                    await self._say(group)
                case Tokens():
                    await self._tokens(group)
                case Think():
                    for token in Say(group.text).tokens():
                        await self._delta({group.field: token})
                case list():
                    await self._tool_calls(group)
                case Report():
                    usage = group
                case Finish():
                    finish = group.reason
                case Late():
                    late = group.delay
                case Raw():
                    await self._write(group.data)
                case Hang():
                    await asyncio.Event().wait()
                case Cut():
                    return False
                case Fail():
                    raise AssertionError("Fail is only possible as the first step")
        await self._end(finish, usage)
        await asyncio.sleep(late)
        return True

    async def _say(self, step: Say) -> None:
        start = time.monotonic()
        for number, token in enumerate(step.tokens()):
            await until(start + number * step.delay, step.delay)
            await self._delta({"content": token})
            self._deltas += 1

    async def _tokens(self, step: Tokens) -> None:
        before = f'data: {self._head},"choices":[{{"index":0,"delta":{{"content":"'
        after = ' "},"logprobs":null,"finish_reason":null}]}\n\n'
        start = time.monotonic()
        for number in range(step.count):
            await until(start + number * step.delay, step.delay)
            token = time.monotonic_ns() if step.stamped else "tok"
            await self._write(f"{before}{token}{after}".encode())
        self._deltas += step.count

    async def _tool_calls(self, calls: Sequence[Call]) -> None:
        opened: list[tuple[int, list[str]]] = []
        for call in calls:
            text = call.arguments if isinstance(call.arguments, str) else json.dumps(dict(call.arguments))
            call_id = f"call_{uuid.uuid4().hex[:24]}" if call.call_id is None else call.call_id
            whole: dict[str, Any] = {"id": call_id, "type": "function", "function": {"name": wire_name(call.tool)}}
            if call.fragments == 0:
                whole["function"]["arguments"] = text
                await self._delta({"tool_calls": [whole]})
                continue
            index, self._calls = self._calls, self._calls + 1
            whole["function"]["arguments"] = ""
            await self._delta({"tool_calls": [{"index": index, **whole}]})
            opened.append((index, pieces_of(text, call.fragments)))
        while any(pieces for _, pieces in opened):
            fragments = [
                {"index": index, "function": {"arguments": pieces.pop(0)}} for index, pieces in opened if pieces
            ]
            await self._delta({"tool_calls": fragments})

    async def _delta(self, delta: dict[str, Any]) -> None:
        await self._chunk([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}])

    async def _chunk(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> None:
        rest = {"choices": choices} | ({} if usage is None else {"usage": usage})
        await self._write(f"data: {self._head},{json.dumps(rest)[1:]}\n\n".encode())

    async def _end(self, finish: str | None, usage: Report | None) -> None:
        if finish is not None:
            await self._chunk([{"index": 0, "delta": {}, "logprobs": None, "finish_reason": finish}])
        if self._wants_usage:
            await self._chunk([], _usage(usage or Report(10, self._deltas)))
        await self._write(b"data: [DONE]\n\n")


def _grouped(steps: Sequence[Step]) -> list[Step | list[Call]]:
    """The steps, with neighbouring calls gathered into one list."""
    groups: list[Step | list[Call]] = []
    for step in steps:
        if isinstance(step, Call):
            if groups and isinstance(groups[-1], list):
                groups[-1].append(step)
            else:
                groups.append([step])
        else:
            groups.append(step)
    return groups


def pieces_of(text: str, count: int) -> list[str]:
    size = max(1, -(-len(text) // count))
    return [text[start : start + size] for start in range(0, len(text), size)]


def wire_name(tool: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_-]", "_", tool)


def _usage(usage: Report) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


async def until(moment: float, delay: float) -> None:
    """Wait until `moment`; a stream without delay still lets others run."""
    left = moment - time.monotonic()
    if left > 0 or delay == 0:
        await asyncio.sleep(max(left, 0))
