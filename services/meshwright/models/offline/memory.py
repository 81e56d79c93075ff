"""What the conversation so far has shown.

The planner keeps nothing between calls. It reads the conversation from its beginning each time: the tasks, and for the last of them
the steps that were taken with their results.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from meshwright.models.interface import AssistantTurn, ToolCall, ToolTurn, Turn, UserTurn
from meshwright.models.offline.pages import Page

_STARTS_ANEW = re.compile(
    r"^(?:\W*(?:stop|instead|never ?mind|forget|no(?=[,.!])|cancel|rather)\b(?:\s+(?:that|it|this))?[\s,.!:;-]*)+",
    re.IGNORECASE,
)
_CANCELLED = re.compile(r"The call cancelled\b")
_HEADER = re.compile(
    r"^\[tab (?P<tab>[\w-]+)\] (?:(?P<title>.*) — )?(?P<url>\w+:\S+)(?: \(HTTP (?P<status>\d+)\))?$", re.MULTILINE
)


@dataclass(frozen=True)
class Call:
    """A tool call that the plan wants."""

    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Result:
    """What a call gave."""

    call: Call
    text: str
    failed: bool = False
    structured: Mapping[str, Any] | None = None

    @property
    def page(self) -> Page | None:
        """The page that the result shows, if it shows one."""
        return None if self.failed else self.shown

    @property
    def shown(self) -> Page | None:
        """The page as it is, which an action that failed shows too."""
        return page_of(self.text, self.structured)

    @property
    def body(self) -> str:
        """The text without the marks around text of others."""
        return re.sub(r"^<untrusted[^>]*>\n|\n</untrusted>$", "", self.text)


@dataclass
class Segment:
    """A text of the user within a task: the task itself, or what was added while it ran."""

    text: str
    begins_at: int
    """How many steps had been taken when it was said."""
    replaces: bool
    """Whether it takes the place of what was asked before."""


@dataclass
class Task:
    """The last task: what was said and the steps taken so far."""

    segments: list[Segment] = field(default_factory=list)
    steps: list[dict[str, tuple[ToolCall, ToolTurn | None]]] = field(default_factory=list)
    """For each answer with calls, by call id, the call and its result."""
    page: Page | None = None
    """The page that was open before the task began."""


def recall(turns: Sequence[Turn]) -> Task:
    """The last task of a conversation."""
    task = Task()
    page: Page | None = None
    running = False
    for turn in turns:
        match turn:
            case UserTurn(text=text):
                if not running or not task.steps or _was_cancelled(task):
                    task = Task(page=page)
                replaces = bool(task.segments) and bool(_STARTS_ANEW.match(text))
                task.segments.append(
                    Segment(_STARTS_ANEW.sub("", text) if replaces else text, len(task.steps), replaces)
                )
                running = True
            case AssistantTurn(tool_calls=calls):
                running = bool(calls)
                if calls:
                    task.steps.append({call.call_id: (call, None) for call in calls})
            case ToolTurn():
                _record(task, turn)
                page = page_of(turn.text, turn.structured) or page
    return task


def _was_cancelled(task: Task) -> bool:
    """Whether the last step was broken off: what the user says then is a new task and no addition to the old one."""
    return any(turn and turn.is_error and _CANCELLED.match(turn.text) for _, turn in task.steps[-1].values())


def _record(task: Task, turn: ToolTurn) -> None:
    for step in reversed(task.steps):
        if turn.call_id in step:
            step[turn.call_id] = (step[turn.call_id][0], turn)
            return


def results_of(step: Mapping[str, tuple[ToolCall, ToolTurn | None]], calls: Sequence[Call]) -> list[Result]:
    """The results of a step, in the order in which the plan wanted its calls."""
    left = list(step.values())
    results: list[Result] = []
    for call in calls:
        same = [entry for entry in left if entry[0].tool == call.tool]
        taken = next((entry for entry in same if entry[0].arguments == call.arguments), same[0] if same else None)
        if taken is not None:
            left.remove(taken)
        turn = taken[1] if taken else None
        if turn is None:
            results.append(Result(call, "The call has no result.", failed=True))
        else:
            results.append(Result(call, turn.text, turn.is_error, turn.structured))
    return results


def page_of(text: str, structured: Mapping[str, Any] | None) -> Page | None:
    """The page that a browser tool's result shows: from its data, or else from its text."""
    if structured and "snapshot" in structured and "url" in structured:
        tab, url, title, snapshot = (str(structured.get(name) or "") for name in ("tab", "url", "title", "snapshot"))
        return Page(tab, url, title, snapshot, int(structured.get("http_status") or 0))
    header = _HEADER.search(text)
    if header is None:
        return None
    return Page(header["tab"], header["url"], header["title"] or "", text[header.end() :], int(header["status"] or 0))
