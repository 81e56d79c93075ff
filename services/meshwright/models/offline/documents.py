"""The passages of a file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from meshwright.models.offline.passages import Passage, Source, row_passage


@dataclass(frozen=True)
class Document:
    """A file as a file tool gave it."""

    path: str
    text: str = field(repr=False)

    @property
    def source(self) -> Source:
        """The file as a source."""
        return Source(self.path)

    @cached_property
    def passages(self) -> list[Passage]:
        """Everything in it that can be quoted, in order."""
        if self.path.lower().endswith((".csv", ".tsv")):
            return list(_table_passages(self.text, "\t" if self.path.lower().endswith(".tsv") else ",", self.source))
        return list(_text_passages(self.text, self.source))


@dataclass(frozen=True)
class Hits:
    """What a search in the files found: for each passage the file, the line and the text."""

    found: tuple[tuple[str, int, str], ...]

    @property
    def source(self) -> Source:
        """The documents as a source."""
        return Source("the documents")

    @cached_property
    def passages(self) -> list[Passage]:
        """The passages found, the best first."""
        return [
            passage
            for path, line, snippet in self.found
            for passage in _text_passages(snippet, Source(f"{path}:{line}"))
        ]


Read: TypeAlias = Document | Hits
"""Anything read from files."""


def _table_passages(text: str, delimiter: str, source: Source) -> Iterator[Passage]:
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(row)]
    for row in rows[1:]:
        yield row_passage(row, rows[0], source, "")


def _text_passages(text: str, source: Source) -> Iterator[Passage]:
    heading = ""
    for block in re.split(r"\n\s*\n|\n(?=\s*(?:[-*#]|\d+\.)\s)|(?<=:)\n", text):
        lines = [re.sub(r"^\s*(?:[-*]|\d+\.)\s+", "", line).strip() for line in block.splitlines() if line.strip()]
        if not lines:
            continue
        if match := re.match(r"#+\s+(.*)", lines[0]):
            heading = match[1]
            lines[0] = heading
        kept = lines if any(":" in line for line in lines) else [" ".join(lines)]
        for line in kept:
            yield Passage((line,), source, "", heading)
