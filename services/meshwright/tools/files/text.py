"""Which files are text, and what their lines are: what ends with a line feed, everywhere the same."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, AnyStr

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import TextIOBase

SNIFFED_BYTES = 8192
MAX_LINE_CHARS = 8192
CUT_LINE = " [line cut]\n"
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def encoding_of(beginning: bytes) -> str | None:
    """How a file that begins so is encoded; None when it is no text."""
    for mark, encoding in MARKS:
        if beginning.startswith(mark):
            return encoding
    return None if b"\0" in beginning[:SNIFFED_BYTES] else "utf-8"


def split_lines(text: AnyStr, feed: AnyStr, carriage_return: AnyStr) -> list[AnyStr]:
    """The lines of a text without their ends; what follows the last line feed is a line only if there is something."""
    lines = text.split(feed)
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix(carriage_return) for line in lines]


def read_lines(stream: TextIOBase) -> Iterator[str]:
    """The lines of a file with their ends; the stream was opened with `newline="\\n"`.

    A file may be one line of a gigabyte, so no line is held whole: those of more than 8,192 characters are cut.
    """
    while line := stream.readline(MAX_LINE_CHARS):
        if line.endswith("\n") or len(line) < MAX_LINE_CHARS:
            yield line
            continue
        rest = stream.readline(MAX_LINE_CHARS)
        yield line + CUT_LINE if rest and rest != "\n" else line + rest
        while rest and not rest.endswith("\n"):
            rest = stream.readline(MAX_LINE_CHARS)
