"""file.grep."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import re2
from pydantic import BaseModel, Field

from meshwright.serving.errors import MeshError, Violation
from meshwright.tools.arguments import Arguments, invalid_arguments
from meshwright.tools.context import CallContext
from meshwright.tools.files.text import encoding_of, split_lines
from meshwright.tools.output import Output
from meshwright.tools.paths import PathText
from meshwright.tools.tool import Annotations, tool
from meshwright.v1 import error_reason_pb2 as reasons

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meshwright.tools.threads import Job
    from meshwright.tools.workspaces import Place

MAX_PATTERN_CHARS = 1024
MAX_FILE_BYTES = 8 * 1024 * 1024
MAX_SHOWN_CHARS = 300
MAX_PATTERN_MEMORY = 8 * 1024 * 1024


class GrepArguments(Arguments):
    """Arguments of file.grep."""

    pattern: str = Field(
        min_length=1,
        max_length=MAX_PATTERN_CHARS,
        description="Regular expression in RE2's syntax, matched against each line: no look-around, no back-references.",
    )
    path: PathText = Field(default="", description="File or folder to search. Leave it out for the whole workspace.")
    glob: str = Field(default="", max_length=256, description="Only files whose name matches this, such as *.md.")
    ignore_case: bool = Field(default=False, description="Take upper and lower case for the same.")
    limit: int = Field(default=100, ge=1, le=1000, description="How many matching lines at most.")


class Match(BaseModel):
    """A line that matches."""

    path: str = Field(description="The file.")
    line: int = Field(description="Number of the line, from 1.")
    text: str = Field(description="The line, cut where it is long.")


class Matches(BaseModel):
    """Lines that match."""

    matches: list[Match] = Field(description="By file and line.")
    files_searched: int = Field(description="How many files were looked at.")
    truncated: bool = Field(description="There may be more matches than these.")


@tool("file.grep", Annotations(read_only=True, idempotent=True))
async def file_grep(args: GrepArguments, call: CallContext) -> Output[Matches]:
    """Finds the lines of files that match a regular expression. To find documents by what they are about, use search.files."""
    place = call.session.files.place(args.path)
    pattern = compile_pattern(args.pattern, ignore_case=args.ignore_case)
    found = await call.in_thread(lambda job: grep(place, pattern, args.glob, args.limit, job))
    lines = [f"{match.path}:{match.line}: {match.text}" for match in found.matches]
    if found.truncated:
        lines.append(f"[only the first {args.limit}]")
    return Output(
        text="\n".join(lines) or f"No line of {found.files_searched} files matches.",
        structured=found,
        truncated=found.truncated,
    )


def compile_pattern(pattern: str, *, ignore_case: bool) -> Any:
    """The pattern for lines as bytes; its matching takes linear time. Raises TOOL_ARGUMENTS."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_PATTERN_MEMORY
    options.case_sensitive = not ignore_case
    try:
        return re2.compile(pattern.encode(), options)
    except re2.error:
        violation = Violation("arguments.pattern", "is not a regular expression in RE2's syntax")
        raise invalid_arguments("file.grep", [violation]) from None


def grep(place: Place, pattern: Any, glob: str, limit: int, job: Job) -> Matches:
    """The lines that match, in the file or in all files of the folder. Blocks."""
    matches: list[Match] = []
    searched = 0
    for parts in _files(place):
        if glob and not fnmatchcase(parts[-1], glob):
            continue
        searched += 1
        job.check(f"Searched {searched} files")
        for match in _matches(place, parts, pattern):
            if len(matches) == limit:
                return Matches(matches=matches, files_searched=searched, truncated=True)
            matches.append(match)
    return Matches(matches=matches, files_searched=searched, truncated=False)


def _files(place: Place) -> Iterator[tuple[str, ...]]:
    if place.root.is_file(place.parts):
        yield place.parts
        return
    for entry in place.root.entries(place.parts, recursive=True):
        if not entry.is_folder:
            yield entry.parts


def _matches(place: Place, parts: tuple[str, ...], pattern: Any) -> Iterator[Match]:
    try:
        data = place.root.read(parts, MAX_FILE_BYTES)
    except MeshError as error:
        # Too large, or gone since it was listed.
        if error.reason in (reasons.ERROR_REASON_TOOL_FAILED, reasons.ERROR_REASON_FILE_NOT_FOUND):
            return
        raise
    encoding = encoding_of(data)
    if encoding is None:
        return
    if encoding == "utf-16":
        data = data.decode(encoding, "replace").encode()
    for number, line in enumerate(split_lines(data, b"\n", b"\r"), 1):
        if pattern.search(line):
            text = line.decode("utf-8", "replace")[:MAX_SHOWN_CHARS]
            yield Match(path=place.root.shown(parts), line=number, text=text)
