"""Words, made comparable."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?", re.UNICODE)
_ENDINGS = ("ing", "ies", "ed", "es", "s")
SHORTEST_STEM = 3
SHORTEST_LIKENESS = 5


def word_set(text: str) -> frozenset[str]:
    """The words of a list that is written as one text."""
    return frozenset(text.split())


STOPWORDS = word_set(
    """a about again all also an and any anything are as at be been but by can could did do does each for from get had
    has have here how i if in into is it its it's just let me my no not now of on one or our out page please say says shop site
    so some somebody something take takes tell than that that's the their them then there these they thing things this
    those to too up us was we website were what what's when where which who whose will with would you your"""
)
"""Words that say nothing about what a question is about."""


def words(text: str) -> list[str]:
    """The words of a text in lower case and without accents."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return [re.sub(r"['\u2019]s$", "", word) for word in _WORD.findall(plain)]


def stem(word: str) -> str:
    """A word without its commonest English endings, so that `returns` meets `returned`."""
    if word.isdigit() or word.endswith("ss"):
        return word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= SHORTEST_STEM:
            base = word[: -len(ending)]
            return base + "y" if ending == "ies" else base.rstrip("e") or base
    return word.rstrip("e") if len(word) > SHORTEST_STEM else word


def stems(text: str) -> list[str]:
    """The stems of all words of a text."""
    return [stem(word) for word in words(text)]


def content_stems(text: str) -> list[str]:
    """The stems of the words that carry meaning, each once, in order."""
    return list(dict.fromkeys(stem(word) for word in words(text) if word not in STOPWORDS))


def alike(one: str, other: str) -> bool:
    """Whether two stems are of one word: `deliver` and `delivery`."""
    if one == other:
        return True
    short, long = (one, other) if len(one) < len(other) else (other, one)
    return len(short) >= SHORTEST_LIKENESS and len(long) - len(short) <= 3 and long.startswith(short)


def found_in(wanted: Iterable[str], text_stems: Collection[str]) -> set[str]:
    """Which of the wanted stems a text has."""
    return {
        stem
        for stem in wanted
        if stem in text_stems or (len(stem) >= SHORTEST_LIKENESS and any(alike(stem, other) for other in text_stems))
    }
