"""Passages: what an answer can be quoted from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from meshwright.models.offline.money import Money, find_money
from meshwright.models.offline.tokens import stems


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


def row_passage(
    texts: list[str], columns: list[str], source: Source, context: str, *, marginal: bool = False
) -> Passage:
    """A table's row: its first cell is what it is about, the others go with their columns' names."""
    if len(columns) == len(texts) and texts:
        named = [f"{column}: {text}" for column, text in zip(columns[1:], texts[1:], strict=True)]
        return Passage((texts[0], *named), source, texts[0], context, "row", marginal)
    if len(texts) == 2:
        return Passage((f"{texts[0]}: {texts[1]}",), source, "", context, "row", marginal)
    return Passage(tuple(text for text in texts if text), source, texts[0] if texts else "", context, "row", marginal)
