"""A run in plain lines, for pipes and logs: what it does on standard error, its answer on standard output."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Self

from meshwright.cli.run.display import brief, printable, unwrapped
from meshwright.client import (
    ArtifactAdded,
    Message,
    Notice,
    Role,
    RunFinished,
    RunOutcome,
    RunQueued,
    RunStarted,
    ToolCallFinished,
    ToolCallStarted,
    ToolOutcome,
)

if TYPE_CHECKING:
    from types import TracebackType

    from meshwright.client import Event


class PlainDisplay:
    """One line for each thing that begins or ends."""

    asking = None

    def __enter__(self) -> Self:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                # A character that the terminal's language lacks must not end the run.
                stream.reconfigure(errors="replace")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        sys.stdout.flush()

    def show(self, event: Event) -> None:
        """Show what happened; what sub-agents do is indented."""
        shown, indent = unwrapped(event)
        match shown:
            case RunQueued(session_id=session_id, run_id=run_id):
                self.note(f"run {run_id} of session {session_id}")
            case RunStarted(model=model):
                self.note(f"model {model}")
            case ToolCallStarted(tool=tool, arguments=arguments):
                self.note(f"{indent}> {tool} {brief(arguments)}".rstrip())
            case ToolCallFinished(tool=tool, outcome=outcome, duration=duration, error=error):
                end = "done" if outcome is ToolOutcome.SUCCEEDED else str(outcome)
                why = f": {error.message}" if error is not None else ""
                self.note(f"{indent}< {tool} {end} after {duration.total_seconds():.1f} s{why}")
            case Message(role=Role.AGENT, text=text, call_ids=call_ids, partial=partial) if text and (
                call_ids or partial
            ):
                self.note(text)
            case ArtifactAdded(artifact=artifact):
                about = f"{artifact.media_type}, {artifact.size_bytes} bytes, {artifact.artifact_id}"
                self.note(f"{indent}+ {artifact.name} ({about})")
            case Notice(text=text):
                self.note(f"{indent}! {text}")
            case RunFinished(outcome=RunOutcome.COMPLETED, answer=answer):
                sys.stdout.write(f"{printable(answer)}\n")
            case _:
                pass

    def note(self, text: str) -> None:
        """Say something on standard error."""
        sys.stderr.write(f"{printable(text)}\n")
        sys.stderr.flush()
