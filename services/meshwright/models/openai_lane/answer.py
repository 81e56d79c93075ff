"""From chunks to parts: the state of one answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from meshwright.models.call_ids import new_call_id
from meshwright.models.interface import Finished, FinishReason, Part, ReasoningDelta, TextDelta, ToolCall
from meshwright.models.openai_lane.chunks import Chunk, Delta, UsageReport
from meshwright.models.openai_lane.state import AnswerState
from meshwright.models.openai_lane.tool_calls import CallAssembler
from meshwright.models.tool_names import ToolNames

_REASONS: dict[str, FinishReason] = {"length": "length", "content_filter": "refused"}


class Answer:
    """Turns the chunks of one answer into parts. Tool calls are held back until the answer is whole."""

    def __init__(self, names: ToolNames) -> None:
        self._names = names
        self._calls = CallAssembler()
        self._reasoning: list[str] = []
        self._reasoning_details: list[Any] = []
        self._refused = False
        self.finish_reason: str | None = None
        """The provider's reason, once it has been said."""
        self.usage: UsageReport | None = None
        self.empty = True
        """Whether nothing has come so far."""

    def take(self, chunk: Chunk) -> Sequence[Part]:
        """The parts that `chunk` completes."""
        if chunk.usage is not None:
            self.usage = chunk.usage
        if not chunk.choices:
            return ()
        choice = chunk.choices[0]
        if choice.finish_reason:
            self.finish_reason = choice.finish_reason
        delta = choice.delta or choice.message
        return () if delta is None else self._take_delta(delta)

    def _take_delta(self, delta: Delta) -> Sequence[Part]:
        parts: list[Part] = []
        if delta.reasoning_content:
            self._reasoning.append(delta.reasoning_content)
            parts.append(ReasoningDelta(delta.reasoning_content))
        elif delta.reasoning:
            parts.append(ReasoningDelta(delta.reasoning))
        if delta.content:
            text = delta.content if isinstance(delta.content, str) else _text_of(delta.content)
            if text:
                parts.append(TextDelta(text))
        if delta.refusal:
            self._refused = True
            parts.append(TextDelta(delta.refusal))
        if delta.reasoning_details:
            self._reasoning_details += delta.reasoning_details
        for fragment in delta.tool_calls or ():
            self._calls.add(fragment)
        if parts or delta.tool_calls:
            self.empty = False
        return parts

    def finish(self) -> tuple[list[ToolCall], Finished]:
        """The whole calls and the end of the answer."""
        state = AnswerState()
        calls: list[ToolCall] = []
        for whole in self._calls.whole():
            call_id = new_call_id()
            if whole.extra_content is not None:
                state.calls[call_id] = whole.extra_content
            arguments, error = whole.arguments()
            calls.append(ToolCall(call_id, self._names.to_mesh(whole.name), arguments, error))
        if calls and self._reasoning:
            state.message["reasoning_content"] = "".join(self._reasoning)
        if calls and self._reasoning_details:
            state.message["reasoning_details"] = self._reasoning_details
        return calls, Finished(self._reason(called=bool(calls)), state.dump())

    def _reason(self, *, called: bool) -> FinishReason:
        if self._refused:
            return "refused"
        # Some servers say `stop` after tool calls, so the calls themselves decide.
        return _REASONS.get(self.finish_reason or "") or ("tool_calls" if called else "stop")


def _text_of(pieces: list[Any]) -> str:
    """The text of content that is a list of typed pieces."""
    return "".join(str(p.get("text") or "") for p in pieces if isinstance(p, dict) and p.get("type") == "text")
