"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """How good it is: a mark and its colour."""

    GOOD = ("✓", "green")
    """As it should be."""
    NOTE = ("·", "dim")
    """Good to know."""
    WARNING = ("!", "yellow")
    """The mesh works, and something does not work as well as it could."""
    MISSING = ("✗", "bold red")
    """The mesh does not work without it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report."""

    subject: str
    verdict: Verdict
    text: str
    """What was found."""
    advice: str = ""
    """What to do about it."""


def good(subject: str, text: str) -> Finding:
    """As it should be."""
    return Finding(subject, Verdict.GOOD, text)


def note(subject: str, text: str, advice: str = "") -> Finding:
    """Good to know."""
    return Finding(subject, Verdict.NOTE, text, advice)


def warning(subject: str, text: str, advice: str = "") -> Finding:
    """Works, and could be better."""
    return Finding(subject, Verdict.WARNING, text, advice)


def missing(subject: str, text: str, advice: str = "") -> Finding:
    """Does not work without it."""
    return Finding(subject, Verdict.MISSING, text, advice)
