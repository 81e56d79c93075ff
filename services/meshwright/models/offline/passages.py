"""The passages of pages and files: what an answer can be quoted from."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from meshwright.models.offline.money import Money, find_money
from meshwright.models.offline.snapshot import Node, parse_snapshot
from meshwright.models.offline.tokens import stems

_CONTAINERS = frozenset(
    ["document", "generic", "main", "banner", "navigation", "contentinfo", "complementary", "region", "form", "search", "list", "listitem", "table", "rowgroup", "row", "grid", "treegrid", "group", "article", "figure", "dialog", "blockquote", "paragraph", "toolbar", "tablist", "tabpanel", "menu", "menubar", "tree", "feed", "section", "strong", "emphasis"]
)
_BLOCKS = frozenset(["paragraph", "heading", "list", "listitem", "table", "row", "blockquote", "figure", "article", "region", "group", "caption"])
_PASSAGES = frozenset(["paragraph", "listitem", "row", "blockquote", "figure", "article", "heading", "caption", "alert", "status", "region"])
_TABLES = frozenset(["table", "grid", "treegrid"])
_CELLS = frozenset(["cell", "gridcell", "rowheader", "columnheader"])
_MARGINS = frozenset(["banner", "navigation", "contentinfo"])
_UNREAD = frozenset(["img", "option"])
MAX_BOX_PIECES = 8


@dataclass(frozen=True, slots=True)
class Source:
    """Where something was read."""

    label: str
    """The page's title, or the file's path."""
    url: str = ""
    """The page's address; empty for a file."""


@dataclass(frozen=True)
class Passage:
    """A piece of a page or a file that says one thing."""

    pieces: tuple[str, ...]
    """Its text, block by block."""
    source: Source
    title: str = ""
    """What it is about, where it says so itself: the heading of a list item, the first cell of a row."""
    context: str = ""
    """The headings above it."""
    role: str = "paragraph"
    marginal: bool = False
    """Whether it stands in the page's header, navigation or footer."""

    @cached_property
    def text(self) -> str:
        """The whole passage on one line."""
        return " · ".join(self.pieces)

    @cached_property
    def stems(self) -> frozenset[str]:
        """The stems of its words."""
        return frozenset(stems(self.text))

    @cached_property
    def title_stems(self) -> tuple[str, ...]:
        """The stems of its title, in order."""
        return tuple(stems(self.title))

    @cached_property
    def context_stems(self) -> frozenset[str]:
        """The stems of the headings above it."""
        return frozenset(stems(self.context))

    @cached_property
    def source_stems(self) -> frozenset[str]:
        """The stems of its source's name."""
        return frozenset(stems(self.source.label))

    @cached_property
    def money(self) -> tuple[Money, ...]:
        """The amounts in it."""
        return tuple(money for piece in self.pieces for money in find_money(piece))


@dataclass(frozen=True)
class Page:
    """A page as a browser tool showed it."""

    tab: str
    url: str
    title: str
    snapshot: str = field(repr=False)

    @cached_property
    def root(self) -> Node:
        """Its outline."""
        return parse_snapshot(self.snapshot)

    @property
    def source(self) -> Source:
        """The page as a source."""
        return Source(self.title or self.url, self.url)

    @cached_property
    def passages(self) -> list[Passage]:
        """Everything on it that can be quoted, in reading order."""
        return list(_page_passages(self.root, self.source, [], marginal=False))


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


def visible_text(node: Node) -> tuple[str, ...]:
    """What a person reads in an element, block by block."""
    if node.role in _UNREAD:
        return ()
    if node.name and node.role not in _CONTAINERS:
        return (f"{node.name}: {node.text}",) if node.text and node.text != node.name else (node.name,)
    blocks: list[str] = [node.text] if node.text else []
    inline = bool(blocks)
    if not node.children and node.name and node.role == "generic":
        return (node.name,)
    for child in node.children:
        pieces = visible_text(child)
        stands_alone = child.role in _BLOCKS or len(pieces) > 1
        if pieces and inline and not stands_alone and blocks:
            blocks[-1] = _joined(blocks[-1], pieces[0])
        else:
            blocks.extend(pieces)
        inline = bool(pieces) and not stands_alone
    return tuple(blocks)


def _joined(before: str, after: str) -> str:
    return before + after if re.match(r"[.,;:!?)]", after) else f"{before} {after}"


def _page_passages(node: Node, source: Source, headings: list[str], *, marginal: bool) -> Iterator[Passage]:
    here = list(headings)
    for child in node.children:
        outside = marginal or child.role in _MARGINS
        if child.role in _TABLES:
            yield from _rows(child, source, here, marginal=outside)
            continue
        title = _title(child)
        pieces = visible_text(child)
        if pieces and _is_passage(child, node, pieces):
            yield Passage(pieces, source, title, " · ".join(here[-2:]), child.role, outside)
        if child.role == "heading":
            here = [*headings, child.label]
        elif child.role != "paragraph":
            below = here if title in ("", *here[-1:]) else [*here, title]
            yield from _page_passages(child, source, below, marginal=outside)


def _is_passage(node: Node, parent: Node, pieces: tuple[str, ...]) -> bool:
    if node.role in _PASSAGES:
        return True
    if node.role == "text" or not node.children:
        return node.role in ("generic", "text") and parent.role in _CONTAINERS - _PASSAGES
    # Pages without any semantics: a small box is taken as the list item that it looks like.
    return node.role == "generic" and 2 <= len(pieces) <= MAX_BOX_PIECES


def _title(node: Node) -> str:
    if node.role not in ("listitem", "article", "region", "figure", "group", "generic"):
        return ""
    heading = next((inner.label for inner in node.walk() if inner.role == "heading"), "")
    if heading or node.role not in ("listitem", "generic"):
        return heading
    return next((inner.label for inner in node.walk() if inner.role in ("link", "strong")), "")


def _rows(table: Node, source: Source, headings: list[str], *, marginal: bool) -> Iterator[Passage]:
    columns: list[str] = []
    caption = next((node.label for node in table.children if node.role == "caption"), table.name)
    for row in (node for node in table.walk() if node.role == "row"):
        cells = [cell for cell in row.children if cell.role in _CELLS]
        texts = [" ".join(visible_text(cell)) for cell in cells]
        if cells and all(cell.role == "columnheader" for cell in cells):
            columns = texts
            continue
        yield _row(texts, columns, source, " · ".join([*headings[-2:], caption]), marginal=marginal)


def _row(texts: list[str], columns: list[str], source: Source, context: str, *, marginal: bool = False) -> Passage:
    if len(columns) == len(texts) and texts:
        named = [f"{column}: {text}" for column, text in zip(columns[1:], texts[1:], strict=True)]
        return Passage((texts[0], *named), source, texts[0], context, "row", marginal)
    if len(texts) == 2:
        return Passage((f"{texts[0]}: {texts[1]}",), source, "", context, "row", marginal)
    return Passage(tuple(text for text in texts if text), source, texts[0] if texts else "", context, "row", marginal)


def _table_passages(text: str, delimiter: str, source: Source) -> Iterator[Passage]:
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(row)]
    for row in rows[1:]:
        yield _row(row, rows[0], source, "")


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
