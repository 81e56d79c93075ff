"""A run on a terminal: the answer as it is written, and the tool calls as they run, each with its time."""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from rich.console import Group
from rich.live import Live
from rich.markdown import Markdown
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from meshwright.cli.run.blocks import split_finished, tail
from meshwright.cli.run.display import brief, printable, unwrapped
from meshwright.client import (
    ArtifactAdded,
    Message,
    Notice,
    Role,
    RunFinished,
    TextDelta,
    ToolCallFinished,
    ToolCallProgress,
    ToolCallStarted,
    ToolOutcome,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import TracebackType

    from rich.console import Console, RenderableType

    from meshwright.client import Event

ROWS_FOR_OTHERS = 12
"""Rows of the terminal that the text which is being written leaves free."""
LOOKS = {
    ToolOutcome.SUCCEEDED: ("✓", "green"),
    ToolOutcome.CANCELLED: ("⊘", "yellow"),
    ToolOutcome.EXPIRED: ("⏱", "red"),
    ToolOutcome.DENIED: ("⊘", "red"),
}


@dataclass(slots=True)
class RunningCall:
    """A tool call at work."""

    tool: str
    arguments: str
    since: float
    indent: str
    news: str = ""


class Screen:
    """What is over is printed for good; what is under way stands below it and changes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._calls: dict[str, RunningCall] = {}
        self._text = ""
        self._message_id = ""
        self._shown: set[str] = set()
        self._thinking = Spinner("dots", Text("thinking", "dim"), style="dim")
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(console=console, get_renderable=self._under_way, refresh_per_second=12, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._finish_text()
        self._calls.clear()
        self._live.stop()

    def show(self, event: Event) -> None:
        """Show what happened; what sub-agents do is indented."""
        shown, indent = unwrapped(event)
        match shown:
            case TextDelta(message_id=message_id, text=text):
                self._write(message_id, text)
            case Message(role=Role.AGENT, message_id=message_id, text=text):
                if message_id not in self._shown:
                    self._write(message_id, text)
                self._finish_text()
            case ToolCallStarted(call_id=call_id, tool=tool, arguments=arguments):
                self._calls[call_id] = RunningCall(tool, brief(arguments), time.monotonic(), indent)
            case ToolCallProgress(call_id=call_id, message=message) if call_id in self._calls and message:
                self._calls[call_id].news = printable(message)
            case ToolCallFinished() as finished:
                self._call_finished(finished, indent)
            case ArtifactAdded(artifact=artifact):
                self._say(Text(f"{indent}  + {artifact.name}  {artifact.artifact_id}", "dim"))
            case Notice(text=text):
                self._say(Text(f"{indent}  ! {printable(text)}", "yellow"))
            case RunFinished():
                self._calls.clear()
            case _:
                pass

    def note(self, text: str) -> None:
        """Say something to the person."""
        self._say(Text(printable(text), "dim"))

    @property
    def asking(self) -> Callable[[str], AbstractContextManager[None]] | None:
        """See Display: a person is there who types, or not."""
        return self._asking if sys.stdin.isatty() else None

    @contextlib.contextmanager
    def _asking(self, question: str) -> Iterator[None]:
        self._live.stop()
        self._console.print(Text(printable(question), "bold yellow"), end="")
        try:
            yield
        finally:
            self._live.start()

    def _say(self, *what: RenderableType) -> None:
        # What is under way is drawn again below; without this it would be as it was a moment ago.
        self._live.refresh()
        self._console.print(*what)

    def _write(self, message_id: str, text: str) -> None:
        if message_id != self._message_id:
            self._finish_text()
            self._message_id = message_id
            self._shown.add(message_id)
        finished, self._text = split_finished(self._text + printable(text))
        if finished:
            self._print(finished)

    def _finish_text(self) -> None:
        text, self._text = self._text, ""
        if text.strip():
            self._print(text)

    def _print(self, text: str) -> None:
        self._say(Markdown(text))
        self._say()

    def _call_finished(self, event: ToolCallFinished, indent: str) -> None:
        call = self._calls.pop(event.call_id, None)
        mark, style = LOOKS.get(event.outcome, ("✗", "red"))
        line = Text.assemble(
            (f"{indent}{mark} ", style),
            (event.tool, "bold"),
            f" {call.arguments if call is not None else ''}",
            (f"  {event.duration.total_seconds():.1f} s", "dim"),
            (f"  {printable(event.error.message)}" if event.error is not None else "", style),
        )
        self._say(line)

    def _under_way(self) -> RenderableType:
        parts: list[RenderableType] = []
        if self._text.strip():
            parts.append(self._being_written())
        if self._calls:
            parts.append(self._running_calls())
        return Group(*parts) if parts else self._thinking

    def _being_written(self) -> RenderableType:
        # Whole where it is short; of what does not fit, a person wants to see the end.
        end = tail(self._text, self._console.width, max(4, self._console.height - ROWS_FOR_OTHERS))
        return Markdown(self._text) if end == self._text.rstrip("\n") else Text(end)

    def _running_calls(self) -> Table:
        table = Table.grid(padding=(0, 1))
        now = time.monotonic()
        for call in self._calls.values():
            what = Text.assemble(
                call.indent, (call.tool, "bold"), f" {call.arguments}", (f"  {call.news}" if call.news else "", "dim")
            )
            what.no_wrap, what.overflow = True, "ellipsis"
            table.add_row(self._spinner, what, Text(f"{now - call.since:.1f} s", "cyan"))
        return table
