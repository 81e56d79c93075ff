"""file.read."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from meshwright.tools.arguments import Arguments
from meshwright.tools.context import CallContext
from meshwright.tools.failure import tool_failed
from meshwright.tools.files.text import SNIFFED_BYTES, encoding_of, read_lines
from meshwright.tools.output import Output
from meshwright.tools.paths import PathText
from meshwright.tools.tool import Annotations, tool

if TYPE_CHECKING:
    from meshwright.tools.threads import Job
    from meshwright.tools.workspaces import Place

MAX_TEXT_BYTES = 60 * 1024
"""Of the file's text in one answer; the note about the rest must fit behind it."""
CHECKED_LINES = 1024
COUNTED_BYTES = 8 * 1024 * 1024
"""Up to this size all lines are counted."""


class ReadArguments(Arguments):
    """Arguments of file.read."""

    path: PathText = Field(
        description="File to read, such as notes/today.txt, or docs:handbook/intro.md for a document."
    )
    offset: int = Field(default=1, ge=1, le=2**40, description="First line to read, from 1.")
    limit: int = Field(default=2000, ge=1, le=100_000, description="How many lines at most.")


class FileText(BaseModel):
    """A part of a text file."""

    path: str = Field(description="The file.")
    content: str = Field(description="The lines that were read.")
    first_line: int = Field(description="Number of the first of them; 0 when there is none.")
    last_line: int = Field(description="Number of the last of them; 0 when there is none.")
    total_lines: int = Field(description="Lines of the whole file; 0 where it is too large to count.")
    size_bytes: int = Field(description="Size of the whole file.")
    truncated: bool = Field(description="The file has more lines than these.")


@dataclass(frozen=True, slots=True)
class Passage:
    """What was read of a file."""

    text: str
    lines: int
    total: int
    size: int
    more: bool


@tool("file.read", Annotations(read_only=True, idempotent=True))
async def file_read(args: ReadArguments, call: CallContext) -> Output[FileText]:
    """Reads a text file of the workspace or of a document folder. Long files come in parts: go on with offset."""
    place = call.session.files.place(args.path)
    passage = await call.in_thread(lambda job: read_passage(place, args.offset, args.limit, job))
    last = args.offset + passage.lines - 1
    text = passage.text
    if passage.more:
        of = f" of {passage.total}" if passage.total else ""
        text += f"[lines {args.offset} to {last}{of}; go on with offset {last + 1}]"
    elif not passage.lines:
        text = f"[{place.shown} has {passage.total} lines]" if passage.total else f"[{place.shown} is empty]"
    return Output(
        text=text,
        structured=FileText(
            path=place.shown,
            content=passage.text,
            first_line=args.offset if passage.lines else 0,
            last_line=last if passage.lines else 0,
            total_lines=passage.total,
            size_bytes=passage.size,
            truncated=passage.more,
        ),
        truncated=passage.more,
    )


def read_passage(place: Place, offset: int, limit: int, job: Job) -> Passage:
    """Lines `offset` to `offset + limit - 1`, as many as fit. Blocks."""
    with place.root.reading(place.parts) as descriptor:
        size = os.fstat(descriptor).st_size
        with os.fdopen(os.dup(descriptor), "rb") as raw:
            encoding = encoding_of(raw.read(SNIFFED_BYTES))
            if encoding is None:
                raise tool_failed(f"{place.shown} is not a text file.", path=place.shown, size_bytes=size)
            raw.seek(0)
            with io.TextIOWrapper(raw, encoding, "replace", newline="\n") as stream:
                return _passage(stream, size, offset, limit, job)


def _passage(stream: io.TextIOWrapper, size: int, offset: int, limit: int, job: Job) -> Passage:
    number, budget, more = 0, MAX_TEXT_BYTES, False
    taken: list[str] = []
    for number, line in enumerate(read_lines(stream), 1):
        if number % CHECKED_LINES == 0:
            job.check(f"Reading line {number}")
        if number < offset:
            continue
        budget -= len(line.encode("utf-8", "replace"))
        more = more or len(taken) == limit or budget < 0
        if not more:
            taken.append(line)
        elif size > COUNTED_BYTES:
            return Passage("".join(taken), len(taken), 0, size, more=True)
    return Passage("".join(taken), len(taken), number, size, more=more)
