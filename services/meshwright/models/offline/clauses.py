"""A task's text, taken apart into clauses."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PROTECTED = re.compile(
    r"""(?P<url>\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s<>"'`]+)"""
    r"""|"(?P<q1>[^"\n]*)"|`(?P<q2>[^`\n]*)`|(?<!\w)'(?P<q3>[^'\n]+)'(?!\w)|«(?P<q4>[^»\n]*)»"""
    "|\u201c(?P<q5>[^\u201d\n]*)\u201d|\u2018(?P<q6>[^\u2019\n]*)\u2019"
)
_WHOLE_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://\S+")
_MARK = re.compile("\ue000([uq])(\\d+)\ue001")
URL = "\ue000u\\d+\ue001"
"""In patterns: a protected URL."""
QUOTED = "\ue000q\\d+\ue001"
"""In patterns: a protected quotation."""

_VERBS = (
    "open|go to|goto|visit|navigate|browse|load|read|show|print|cat|display|list|ls|search|look|find|grep|write|save|create|put|"
    "store|click|press|hit|tap|push|follow|type|enter|fill|set|submit|take|make|grab|capture|screenshot|compare|tell|say|report|"
    "answer|give|get|fetch|extract|check|note|let me|what|what's|how|who|when|where|which|is|are|does|do|did|can|has|have|"
    "summari[sz]e|sum up|add|choose|select|pick|go back|back|log in|login|sign in|then|also|finally|next|after that|afterwards"
)
_SPLIT = re.compile(
    rf"(?P<break>\s*[\n;]\s*|(?<=\S)(?<!\b\d)(?<!\b\d\d)[.!?]\s+"
    r"|\s*,?\s*(?:and\s+)?(?:then|after that|afterwards|finally|next)\s*,?\s+(?=\S)"
    rf"|\s*,?\s+and\s+(?:also\s+)?(?=(?:{_VERBS})\b)|\s*,\s*(?:also\s+)?(?=(?:{_VERBS})\b))",
    re.IGNORECASE,
)
_ORDER = re.compile(r"\b(?:then|after that|afterwards|finally|next)\b", re.IGNORECASE)
_OPENERS = re.compile(
    r"^(?:(?:[-*•]|\(?\d+[.)])\s+|(?:please|first|firstly|secondly|thirdly|also|now|just|and|so|ok|okay|hi|hello|hey|finally|next|then|"
    r"lastly)\b[,:]?\s*|(?:can|could|would|will) you(?: please)?\s+|i(?:'d| would) like you to\s+|i want you to\s+|"
    r"(?:your task is|you should|help me)(?: to)?:?\s+)+",
    re.IGNORECASE,
)
_FILLING = re.compile(
    r"[,\s]*\bplease$|^(?:using|with|in) (?:the|a|your) (?:web )?(?:browser|tools)$|\s+(?:at the same time|in parallel)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing that was asked for. URLs and quotations in `masked` are marks; `plain` gives them back."""

    masked: str
    ordered: bool
    """Whether the text says that it comes after what stands before it ("then")."""
    protected: tuple[str, ...]

    def plain(self, masked: str | None = None) -> str:
        """A piece of the clause with its URLs and quotations as they were, the quotations without their marks."""
        text = self.masked if masked is None else masked
        return _MARK.sub(lambda mark: self.protected[int(mark[2])], text).strip()

    def urls(self, masked: str | None = None) -> list[str]:
        """The URLs in a piece of the clause."""
        text = self.masked if masked is None else masked
        return [self.protected[int(number)] for kind, number in _MARK.findall(text) if kind == "u"]


def split_clauses(text: str) -> list[Clause]:
    """The clauses of a task, in order."""
    protected: list[str] = []
    masked = _PROTECTED.sub(lambda match: _protect(match, protected), text)
    pieces = _SPLIT.split(masked)
    clauses: list[Clause] = []
    ordered = False
    for number, piece in enumerate(pieces):
        if number % 2:
            ordered = bool(_ORDER.search(piece))
            continue
        bare = _OPENERS.sub("", piece.strip()).strip(" ,")
        bare = bare.rstrip(".!?") if not re.search(r"\w\.\w*$", bare) else bare
        bare = _FILLING.sub("", bare)
        if bare:
            said_first = bool(re.match(r"(?:then|finally|next|lastly)\b", piece.strip(), re.IGNORECASE))
            clauses.append(Clause(bare, (ordered or said_first) and bool(clauses), tuple(protected)))
    return clauses


def _protect(match: re.Match[str], protected: list[str]) -> str:
    text, rest = next(group for group in match.groups() if group is not None), ""
    kind = "u" if match["url"] is not None or _WHOLE_URL.fullmatch(text) else "q"
    if match["url"] is not None:
        text, rest = _without_punctuation(text)
    protected.append(text)
    return f"\ue000{kind}{len(protected) - 1}\ue001{rest}"


def _without_punctuation(url: str) -> tuple[str, str]:
    """A URL of running text and the punctuation after it; a bracket that the URL has opened belongs to it."""
    end = len(url)
    while url[end - 1] in ".,;:!?" or (url[end - 1] in ")]}" and url[:end].count(url[end - 1]) > _opened(url[:end])):
        end -= 1
    return url[:end], url[end:]


def _opened(url: str) -> int:
    return url.count({")": "(", "]": "[", "}": "{"}[url[-1]])
