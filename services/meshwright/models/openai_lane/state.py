"""What some endpoints want to see again with their own tool calls: reasoning, and signatures of it."""

from __future__ import annotations

from typing import Any, Self

import msgspec

MAX_STATE_BYTES = 1 << 20


class AnswerState(msgspec.Struct, omit_defaults=True):
    """The provider state of the fast lane."""

    message: dict[str, Any] = {}
    """Fields of the assistant's message: `reasoning_content` (DeepSeek, Kimi) or `reasoning_details` (OpenRouter)."""
    calls: dict[str, Any] = {}
    """By call id, the call's `extra_content` (Gemini's signatures)."""

    def dump(self) -> bytes:
        """The state as opaque bytes; none when there is nothing to keep, or too much."""
        if not self.message and not self.calls:
            return b""
        data = msgspec.json.encode(self)
        return data if len(data) <= MAX_STATE_BYTES else b""

    @classmethod
    def load(cls, data: bytes) -> Self:
        """The state from `dump`. State of another lane (the session's model was changed) is as good as none."""
        if not data:
            return cls()
        try:
            return msgspec.json.decode(data, type=cls)
        except msgspec.DecodeError:
            return cls()
