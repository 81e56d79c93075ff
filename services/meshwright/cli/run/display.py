"""What the ways of showing a run have in common."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol, Self

from meshwright.client import ArtifactAdded, Notice, SubAgentEvent, ToolCallFinished, ToolCallProgress, ToolCallStarted

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import TracebackType

    from meshwright.client import Event

MAX_ARGUMENT_CHARS = 60
SHOWN_OF_SUB_AGENTS = (ToolCallStarted, ToolCallProgress, ToolCallFinished, ArtifactAdded, Notice)
"""What sub-agents do; what they say stands in the answer of the run, as far as it uses it."""


class Display(Protocol):
    """Shows the events of one run while its `with` block is open."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def show(self, event: Event) -> None:
        """Show what happened."""

    def note(self, text: str) -> None:
        """Say something to the person."""

    @property
    def asking(self) -> Callable[[str], AbstractContextManager[None]] | None:
        """Shows a question, and leaves the terminal alone while it is answered; None where nobody is there to be asked."""


def unwrapped(event: Event) -> tuple[Event | None, str]:
    """An event of the run or of a sub-agent, with the indentation that says which; None where it is not shown."""
    if not isinstance(event, SubAgentEvent):
        return event, ""
    shown = event.event if isinstance(event.event, SHOWN_OF_SUB_AGENTS) else None
    return shown, "  " * len(event.agent_path)


def brief(arguments: dict[str, Any]) -> str:
    """The arguments of a tool call on a part of a line: `url=http://localhost:8080/demo/`. The short ones come first."""
    values = {name: _brief_value(value) for name, value in arguments.items()}
    return " ".join(f"{name}={values[name]}" for name in sorted(values, key=lambda name: (len(values[name]), name)))


def _brief_value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(printable(text).split())
    return text if len(text) <= MAX_ARGUMENT_CHARS else f"{text[: MAX_ARGUMENT_CHARS - 1]}…"


def printable(text: str) -> str:
    """Text from elsewhere without what would drive the terminal: control characters but for tab and new line."""
    return "".join(c for c in text if c in "\t\n" or (ord(c) >= 32 and not 0x7F <= ord(c) < 0xA0))
