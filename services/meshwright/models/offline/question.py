"""What a question asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from meshwright.models.offline.tokens import content_stems

Kind: TypeAlias = Literal["price", "cheapest", "dearest", "title", "listing", "links", "summary", "general"]


@dataclass(frozen=True)
class Question:
    """A question, understood as far as needed to look for its answer."""

    text: str
    kind: Kind
    topics: tuple[str, ...] = ()
    """What it is about, in the user's words; several for a price that is asked of several things. Empty: of what is at hand."""
    total: bool = False
    """Whether the prices are to be added up."""


_LISTED = "products?|items|articles|things|stories|posts|headings|goods"
_KIND_PATTERNS: tuple[tuple[Kind, str], ...] = (
    ("cheapest", r"\b(?:cheapest|least expensive|lowest[- ]priced?|lowest price)\b"),
    ("dearest", r"\b(?:dearest|most expensive|priciest|highest[- ]priced?|highest price)\b"),
    ("price", r"\b(?:prices?|costs?|how expensive|how cheap|how much (?:is|are|does|do|for|would|the|an?)\b)"),
    (
        "title",
        r"^(?:what(?:'s| is)? )?(?:the |its )?(?:page'?s? )?(?:title|main heading|headline|heading)s?(?: is)?\b",
    ),
    ("links", r"\b(?:list|what|which|all)\b.*\blinks\b|^(?:the )?links\b"),
    (
        "listing",
        rf"^(?:list|name|give)\b.*\b(?:{_LISTED})\b|^(?:what|which)\s+(?:\w+\s+)?(?:{_LISTED})\s+(?:are|do|can|does)\b",
    ),
    (
        "summary",
        r"^(?:summar|sum(?:s|med)? up|what (?:does|do) (?:it|they|the page|this page) (?:say|contain)$|"
        r"what(?:'s| is) (?:on|in) (?:the|this|that|it|there)\b)",
    ),
    ("summary", r"^what(?:'s| is) (?:it|this|that|the page|this page) about"),
)
_KINDS = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _KIND_PATTERNS)
_MEASURES = {
    "heavy": "weight", "tall": "height", "high": "height", "big": "size", "large": "size", "wide": "width", "deep": "depth",
    "many": "", "much": "", "long": "", "often": "", "far": "", "old": "age",
}  # fmt: skip
_LEADS = re.compile(
    r"^(?:(?:please|then|also|and|just)\s+|(?:can|could|would) you\s+|(?:tell|show|give) (?:me|us)\s+|let me know\s+|find out\s+|"
    r"(?:find|get|fetch|say|report|answer|check|extract|look up|note|state|return|know)\s+)+(?:about\s+)?",
    re.IGNORECASE,
)
_PRICED = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\bprices?(?: tags?)? (?:of|for|on)\s+(?P<of>.+)",
        r"\bcosts? (?:of|for)\s+(?P<of>.+)",
        r"\bhow (?:much|expensive|cheap)(?: money)? (?:is|are|does|do|would|will|for)\s+(?P<of>.+?)(?:\s+costs?)?$",
        r"\bhow much\s+(?P<of>.+?)\s+(?:is|are|costs?)$",
        r"\bwhat(?:'s)? (?:does|do|is|are|would|will)?\s*(?P<of>.+?)\s+(?:costs?|priced at|sells? for)(?: here| there| now| today)?$",
        r"\bwhat(?:'s| is| are)?\s*(?P<of>.+?)'s? prices?\b",
        r"^(?P<of>.+?)(?:'s)? prices?$",
    )
)
_SUPERLATIVE = re.compile(
    r"\b(?:(?:what|which)(?:'s)?|is|are|the|cheapest|dearest|most|least|expensive|priciest|lowest|highest|priced?|prices?|costs?|has|have|one|"
    r"products?|items?|things?|of|all|in|on|and|how|much|does|it)\b",
    re.IGNORECASE,
)
_TOTAL = re.compile(r"\s*\b(?:together|in total|altogether|in all|all in all)\b", re.IGNORECASE)
PRONOUNS = re.compile(
    r"^(?:it|its|this|that|they|their|them|these|those|each|both|all|everything|each of them|all of them)?$",
    re.IGNORECASE,
)


def parse_question(text: str) -> Question:
    """The question behind a clause such as "tell me what the desk lamp costs"."""
    plain = _LEADS.sub("", text.strip()).strip(" ?.!:,")
    kind: Kind = next((kind for kind, pattern in _KINDS if pattern.search(plain)), "general")
    if kind == "price":
        return Question(plain, kind, _priced_things(_TOTAL.sub("", plain)), bool(_TOTAL.search(plain)))
    if kind in ("cheapest", "dearest"):
        rest = _SUPERLATIVE.sub(" ", plain)
        return Question(plain, kind, (rest.strip(),) if content_stems(rest) else ())
    return Question(plain, kind, (plain,) if kind == "general" else ())


def asked_stems(question: str) -> list[str]:
    """The stems to look for: of "how heavy is the lamp", those of weight and lamp."""
    question = re.sub(r"\b((?:tele)?phone|e-?mail) (?:number|address)\b", r"\1", question, flags=re.IGNORECASE)
    named = re.sub(
        r"\bhow (\w+)\b", lambda match: _MEASURES.get(match[1].lower(), match[0]), question, flags=re.IGNORECASE
    )
    return content_stems(named)


def split_things(text: str) -> tuple[str, ...]:
    """The things that a text lists: "the lamp, the desk and the chair"."""
    parts = re.split(
        r"\s*,\s*(?:and\s+|or\s+)?|\s+(?:and|or|versus|vs\.?|with|to)\s+", text.strip(" ?.!:,"), flags=re.IGNORECASE
    )
    things = [re.sub(r"^(?:(?:the|a|an|your|our|both)\s+)+", "", part.strip(), flags=re.IGNORECASE) for part in parts]
    return tuple(thing for thing in things if thing and not PRONOUNS.match(thing))


def _priced_things(text: str) -> tuple[str, ...]:
    for pattern in _PRICED:
        if match := pattern.search(text):
            return split_things(match["of"])
    rest = re.sub(
        r"\b(?:what|how|much|many|does|do|is|are|costs?|prices?|expensive|cheap|the|of|it)\b", " ", text, flags=re.I
    )
    return split_things(rest) if content_stems(rest) else ()
