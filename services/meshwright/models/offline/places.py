"""Where a clause says that something is: a page, a file, the demo shop, the documents."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from meshwright.models.offline import plan
from meshwright.models.offline.clauses import QUOTED, URL, Clause
from meshwright.models.offline.plan import Action
from meshwright.models.offline.question import Question, parse_question
from meshwright.models.offline.tokens import content_stems, word_set

_SHOP = re.compile(
    r"(?:(?:in|on|at|from|of|to)\s+)?(?:the\s+|your\s+|this\s+|meshwright'?s?\s+)*(?:built-in\s+)?"
    r"(?:demo(?:[ -](?:shop|site|store|page))?|shop|store)\b(?:'s)?",
    re.IGNORECASE,
)
_DOCUMENTS = re.compile(
    r"\s*\b(?:in|from|across|according to)\s+(?:(?:my|the|our|all|your|these)\s+)*"
    r"(?:documents?|docs|workspace|files|notes|knowledge base)\b|"
    r"\b(?:my|the|our)\s+(?:documents?|docs|files|notes|workspace)\s+(?:say|says|tell)\s+(?:about\s+)?",
    re.IGNORECASE,
)
_HERE = re.compile(
    r"\s*\b(?:(?:on|in|from|of)\s+(?:the|this|that)\s+(?:page|site|website|screen)|there|here)$", re.IGNORECASE
)
_TOP_LEVEL = word_set(
    """com org net edu gov io dev app ai co uk de fr nl eu ch at it es pl se no dk fi jp cn in us ca au br info shop
    site online example test local localhost"""
)
_DOMAIN = re.compile(r"^(?:www\.)?(?:[a-z0-9-]+\.)+(?P<top>[a-z]{2,})(?P<port>:\d+)?(?P<path>/\S*)?$", re.IGNORECASE)
_HOST = re.compile(r"^(?:localhost|\d{1,3}(?:\.\d{1,3}){3})(?::\d+)?(?:/\S*)?$", re.IGNORECASE)
_FILE = re.compile(r"^(?:~|\.{0,2}/)?[\w./~ -]*[\w~-]\.[A-Za-z]\w{0,7}$|^\.{0,2}/[\w./-]+$|^[\w.-]+/[\w./-]*[\w-]$")


@dataclass(frozen=True)
class ShopMention:
    """The demo shop, spoken of in a text."""

    url: str
    rest: str
    """The text without the mention."""


class Places:
    """The places that a task has spoken of so far."""

    def __init__(self, demo_url: str) -> None:
        self.demo_url = demo_url
        self.has_source = False
        """Whether there is anything to answer from."""
        self.on_a_page = False
        """Whether the last thing gone to is a page."""
        self.at_shop = False
        """Whether that page is one of the demo shop."""

    def note(self, action: Action) -> None:
        """Keep in mind where an action leads."""
        match action:
            case plan.Open(url):
                self.has_source = self.on_a_page = True
                self.at_shop = url.startswith(self.demo_url)
            case plan.ReadFile() | plan.SearchFiles() | plan.Grep() | plan.ListFiles():
                self.has_source = True
                self.on_a_page = self.at_shop = False
            case plan.Follow() | plan.Click() | plan.Type():
                self.has_source = self.on_a_page = True

    def shop_in(self, text: str) -> ShopMention | None:
        """The demo shop, if the text speaks of it."""
        match = _SHOP.search(text)
        if match is None:
            return None
        return ShopMention(self.demo_url, (text[: match.start()] + " " + text[match.end() :]).strip())

    def gathered(self, clause: Clause, text: str) -> tuple[str, list[Action]]:
        """The text without the places it names, and what has to be opened or read to be there."""
        actions: list[Action] = [plan.Open(url) for url in clause.urls(text)]
        rest = re.sub(rf"\s*(?:\b(?:in|on|at|from|of)\s+)?{URL}(?:\s*(?:,|and)\s*(?={URL}))?", "", text)
        paths = file_paths(clause, rest)
        actions += [plan.ReadFile(path) for path in paths]
        for path in paths:
            rest = re.sub(
                rf"\s*(?:\b(?:in|of|from)\s+)?(?:the\s+)?(?:file\s+)?{re.escape(path)}(?:\s*(?:,|and)\s*)?", "", rest
            )
        if shop := self.shop_in(rest):
            rest = shop.rest
            actions += [] if self.at_shop else [plan.Open(shop.url)]
        if _DOCUMENTS.search(rest):
            rest = _DOCUMENTS.sub("", rest).strip()
            query = " ".join(dict.fromkeys(re.findall(r"\w+", clause.plain(rest)))) if rest else ""
            actions.append(plan.SearchFiles(_query(query)))
        return _HERE.sub("", rest).strip(), actions

    def question(self, clause: Clause, text: str) -> tuple[Question, Sequence[Action]]:
        """The question in a text, and what has to be opened or read to answer it."""
        rest, actions = self.gathered(clause, text)
        question = parse_question(clause.plain(rest))
        needs_shop = question.kind in ("price", "cheapest", "dearest") and (question.topics or question.kind != "price")
        if not actions and not self.has_source and needs_shop:
            # Nothing was named: the shop that is at hand is the one place where things have prices.
            actions = [plan.Open(self.demo_url)]
        return question, actions


def unquoted_url(word: str) -> str | None:
    """The address that a word without a scheme stands for, if it looks like one."""
    word = word.rstrip(".,;:!?)")
    if _HOST.match(word):
        return f"http://{word}"
    match = _DOMAIN.match(word)
    if match is None or (match["top"].lower() not in _TOP_LEVEL and not match["path"] and not word.startswith("www.")):
        return None
    return f"https://{word}"


def looks_like_file(text: str) -> bool:
    """Whether a text can be a file's path."""
    return bool(_FILE.match(text)) and unquoted_url(text) is None


def file_paths(clause: Clause, text: str, *, any_word: bool = False) -> list[str]:
    """The paths of files that a text names; with `any_word` names without an ending count as well."""
    rest = re.sub(r"\b(?:the|files?|and|both|folder|called|named|from|in|my)\b|,", " ", text, flags=re.IGNORECASE)
    words = re.findall(rf"{QUOTED}|[^\s]+", rest)
    paths = [
        clause.plain(word).rstrip(".!?,;:") if not re.match(QUOTED, word) else clause.plain(word) for word in words
    ]
    return [path for path in paths if path and (looks_like_file(path) or any_word)]


def _query(text: str) -> str:
    """The words of a question that are worth searching for."""
    wanted = set(content_stems(text))
    return " ".join(word for word in text.split() if set(content_stems(word)) & wanted) or text
