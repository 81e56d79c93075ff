"""What a task asks for, as actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from meshwright.models.offline.question import Question


@dataclass(frozen=True)
class Open:
    """Open an address in a tab of its own."""

    url: str


@dataclass(frozen=True)
class Follow:
    """Go where the page's best matching link leads."""

    target: str
    unless_field: str = ""
    """Stay where the page already has a field that is called so."""


@dataclass(frozen=True)
class ReadFile:
    """Read a file."""

    path: str


@dataclass(frozen=True)
class ListFiles:
    """List a folder's files."""

    path: str


@dataclass(frozen=True)
class SearchFiles:
    """Search the workspace and the documents."""

    query: str


@dataclass(frozen=True)
class Grep:
    """Find the lines of a file, or of the files of a folder, that match."""

    pattern: str
    path: str


@dataclass(frozen=True)
class WriteFile:
    """Write a file: a text, the answer to a question, or (neither) all that was found so far."""

    path: str
    text: str | None = None
    question: Question | None = None


@dataclass(frozen=True)
class Click:
    """Click the element that is called so."""

    target: str


@dataclass(frozen=True)
class Type:
    """Type into the field that is called so; submit its form afterwards if asked to."""

    text: str
    target: str
    submit: bool = False


@dataclass(frozen=True)
class Select:
    """Choose an option in the list that is called so; in the only list that has it when `target` is empty."""

    option: str
    target: str


@dataclass(frozen=True)
class GoBack:
    """Go back to the page before."""


@dataclass(frozen=True)
class Screenshot:
    """Take a picture of the page."""


@dataclass(frozen=True)
class Ask:
    """Answer a question from what was opened and read."""

    question: Question


@dataclass(frozen=True)
class Compare:
    """Set things side by side: the named ones, or else everything that was opened and read."""

    things: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unclear:
    """A clause that no phrasing of the grammar fits."""

    text: str


Gather: TypeAlias = Open | ReadFile | ListFiles | SearchFiles | Grep
"""Actions that need nothing from others, so that they can run at the same time."""
Action: TypeAlias = Gather | Follow | WriteFile | Click | Type | Select | GoBack | Screenshot | Ask | Compare | Unclear


@dataclass(frozen=True)
class Step:
    """An action in its place."""

    action: Action
    ordered: bool = False
    """Whether everything before it must be done first."""
