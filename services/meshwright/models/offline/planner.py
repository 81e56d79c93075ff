"""The offline planner as a model."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from meshwright.models.call_ids import new_call_id
from meshwright.models.interface import Finished, ModelRequest, Part, ReasoningDelta, TextDelta, ToolCall
from meshwright.models.offline import guide, plan
from meshwright.models.offline.execution import carry_out, conclusion
from meshwright.models.offline.grammar import parse
from meshwright.models.offline.memory import Call, Result, recall, results_of
from meshwright.models.offline.work import Work

MAX_STEPS = 30
"""How many times one task may call tools."""
_VERBS = {
    "browser.open": "open",
    "browser.click": "click in",
    "browser.type": "type",
    "browser.select": "choose in",
    "browser.back": "go back in",
    "browser.snapshot": "look at",
    "browser.screenshot": "take a picture of",
    "file.read": "read",
    "file.write": "write",
    "file.list": "list files",
    "file.grep": "search",
    "search.files": "search the documents for",
}
_PIECE = re.compile(r"\S+\s*(?:\S+\s*){0,2}")


@dataclass(frozen=True)
class _Next:
    """What the planner says: calls, or (without any) its answer."""

    calls: Sequence[Call]
    text: str = ""


class OfflinePlanner:
    """A deterministic model that needs no key and no network (see `meshwright.models.interface.Model`).

    Each answer is worked out from the whole conversation: the plan is made anew from the user's words and run through with the results that
    are already there, up to the first step that has none.
    """

    name = "offline"
    offline = True

    def __init__(self, demo_url: str) -> None:
        self._demo_url = demo_url

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Part, None]:
        """Answer `request`."""
        # Reading long pages takes a tenth of a second, in which others' answers must not stand still.
        step = await asyncio.to_thread(self._next, request)
        if step.calls:
            yield ReasoningDelta(_announced(step.calls))
        for call in step.calls:
            yield ToolCall(new_call_id(), call.tool, dict(call.arguments))
        for piece in _PIECE.findall(step.text):
            yield TextDelta(piece)
        yield Finished("tool_calls" if step.calls else "stop")

    async def close(self) -> None:
        """Nothing is open."""

    def _next(self, request: ModelRequest) -> _Next:
        task = recall(request.turns)
        offered = {tool.name for tool in request.tools}
        work = Work(page=task.page, page_is_old=task.page is not None)
        understood = False
        taken = 0
        for number, segment in enumerate(task.segments):
            steps = parse(segment.text, self._demo_url, work.page.url if work.page else "")
            understood = understood or any(not isinstance(step.action, plan.Unclear) for step in steps)
            following = task.segments[number + 1] if number + 1 < len(task.segments) else None
            ends_at = following.begins_at if following and following.replaces else None
            process = carry_out(steps, work)
            results: list[Result] | None = None
            while ends_at is None or taken < ends_at:
                try:
                    calls = process.send(results) if results is not None else next(process)
                except StopIteration:
                    break
                available = [call for call in calls if call.tool in offered]
                if available and taken == len(task.steps):
                    return _Next(available) if taken < MAX_STEPS else _Next((), _gave_up(work))
                given = results_of(task.steps[taken], available) if available else []
                taken += bool(available)
                results = _complete(calls, available, given)
            process.close()
        return _Next((), self._answer(work, understood=understood))

    def _answer(self, work: Work, *, understood: bool) -> str:
        if not understood:
            return guide.not_understood(self._demo_url)
        answer = conclusion(work)
        if work.unclear:
            answer = f"{answer}\n\n{guide.partly_understood(work.unclear)}"
        return answer.strip() or "Done."


def _complete(calls: Sequence[Call], available: Sequence[Call], given: Sequence[Result]) -> list[Result]:
    """The results of all calls: those of tools that this mesh does not offer are failures."""
    left = dict(zip(map(id, available), given, strict=True))
    return [left.get(id(call)) or Result(call, f"this mesh offers no tool {call.tool}", failed=True) for call in calls]


def _gave_up(work: Work) -> str:
    return f"{conclusion(work)}\n\nI stopped here: this took more than {MAX_STEPS} steps.".strip()


def _announced(calls: Sequence[Call]) -> str:
    """What comes next, for whoever watches."""
    named = [f"{_VERBS[call.tool]} {_object(call)}".strip() for call in calls]
    together = " at the same time" if len(named) > 1 else ""
    return f"Next: {', '.join(named)}{together}.\n"


def _object(call: Call) -> str:
    return next(
        (str(call.arguments[key]) for key in ("url", "path", "query", "text", "tab") if key in call.arguments), ""
    )
