"""The passages of a page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from meshwright.models.offline.passages import Passage, Source, row_passage
from meshwright.models.offline.snapshot import Node, parse_snapshot
from meshwright.models.offline.tokens import word_set

_CONTAINERS = word_set(
    """document generic main banner navigation contentinfo complementary region form search list listitem table
    rowgroup row grid treegrid group article figure dialog blockquote paragraph toolbar tablist tabpanel menu
    menubar tree feed section strong emphasis"""
)
_BLOCKS = word_set("""paragraph heading list listitem table row blockquote figure article region group caption""")
_PASSAGES = word_set("paragraph listitem row blockquote figure article heading caption alert status region")
_TABLES = word_set("table grid treegrid")
_CELLS = word_set("cell gridcell rowheader columnheader")
_MARGINS = word_set("banner navigation contentinfo")
_UNREAD = word_set("img option")
MAX_BOX_PIECES = 8


@dataclass(frozen=True)
class Page:
    """A page as a browser tool showed it."""

    tab: str
    url: str
    title: str
    snapshot: str = field(repr=False)
    http_status: int = 0

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
        yield row_passage(texts, columns, source, " · ".join([*headings[-2:], caption]), marginal=marginal)
