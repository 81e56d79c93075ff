"""A run as JSON: one event a line, in protobuf's JSON form, as grpcurl prints it."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Self

from google.protobuf import json_format

from meshwright.client import Gap

if TYPE_CHECKING:
    from types import TracebackType

    from meshwright.client import Event


class JsonDisplay:
    """Prints each event of the log as one line at once."""

    asking = None

    def __enter__(self) -> Self:
        if isinstance(sys.stdout, io.TextIOWrapper):
            # JSON is UTF-8 wherever it goes, whatever the terminal's language.
            sys.stdout.reconfigure(encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        sys.stdout.flush()

    def show(self, event: Event) -> None:
        """Print the event."""
        if isinstance(event, Gap):
            self.note(f"Events {event.after_sequence + 1} to {event.sequence} were trimmed from the log.")
            return
        line = json.dumps(json_format.MessageToDict(event.proto), ensure_ascii=False, separators=(",", ":"))
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Say something on standard error."""
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
