"""Putting tool calls together from their fragments."""

from __future__ import annotations

from typing import Any

from meshwright.models.arguments import parse_arguments
from meshwright.models.openai_lane.chunks import CallFragment


class AssembledCall:
    """One call, growing."""

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.extra_content: Any = None
        self._text: list[str] = []
        self._object: dict[str, Any] | None = None

    def add(self, fragment: CallFragment) -> None:
        """Take in one fragment."""
        self.id = fragment.id or self.id
        if fragment.extra_content is not None:
            self.extra_content = fragment.extra_content
        if (function := fragment.function) is None:
            return
        # The name comes whole; servers that repeat it in every fragment repeat all of it.
        self.name = function.name or self.name
        if isinstance(function.arguments, dict):
            self._object = function.arguments
        elif function.arguments:
            self._text.append(function.arguments)

    def arguments(self) -> tuple[dict[str, Any], str | None]:
        """The arguments, or none of them and what is wrong with them."""
        return parse_arguments(self._object if self._object is not None else "".join(self._text))


class CallAssembler:
    """The calls of one answer.

    OpenAI numbers the fragments of each call with an index. Some servers send whole calls without one, some give
    every call the index 0 and its own id: a fragment begins a new call when its index is new or its id differs from
    that of its index.
    """

    def __init__(self) -> None:
        self._calls: list[AssembledCall] = []
        self._by_index: dict[int, AssembledCall] = {}

    def add(self, fragment: CallFragment) -> None:
        """Take in one fragment of any call."""
        call = self._target(fragment)
        if call is None or (fragment.id and call.id and fragment.id != call.id):
            call = AssembledCall()
            self._calls.append(call)
            if fragment.index is not None:
                self._by_index[fragment.index] = call
        call.add(fragment)

    def _target(self, fragment: CallFragment) -> AssembledCall | None:
        if fragment.index is not None:
            return self._by_index.get(fragment.index)
        continues = fragment.function is None or not fragment.function.name
        return self._calls[-1] if self._calls and continues else None

    def whole(self) -> list[AssembledCall]:
        """All calls, in the order they began."""
        return self._calls
