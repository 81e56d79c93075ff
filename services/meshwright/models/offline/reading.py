"""Which passage answers a question."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from meshwright.models.offline.documents import Read
from meshwright.models.offline.money import Money
from meshwright.models.offline.pages import Page
from meshwright.models.offline.passages import Passage
from meshwright.models.offline.question import Question, asked_stems
from meshwright.models.offline.tokens import alike, content_stems, found_in

ENOUGH = 0.6
"""The share of a question's words, by weight, that a passage with its headings must have to be an answer."""
_CONTAINERS = frozenset(("region", "article"))
_PRICE_WORDS = frozenset(content_stems("price prices cost costs much expensive cheap"))
_WANTS = (
    (re.compile(r"^how many\b|\bnumber of\b", re.IGNORECASE), re.compile(r"\d")),
    (
        re.compile(r"\b(?:when|what date|what day|how long|how old|how far|how big|how heavy|how tall)\b", re.I),
        re.compile(r"\d"),
    ),
    (re.compile(r"\be-?mail\b", re.IGNORECASE), re.compile(r"\S@\S")),
    (re.compile(r"\b(?:phone|telephone)\b", re.IGNORECASE), re.compile(r"\d{3}")),
)


@dataclass(frozen=True)
class Finding:
    """An answer found: the passage, and in it what was asked for."""

    passage: Passage
    money: Money | None = None
    """The price, where one was asked for."""
    topic: str = ""
    """What the price is of, in the user's words."""
    exact: bool = True
    """Whether the passage has all the words of the question; otherwise it is the nearest there is."""
    rivals: tuple[Passage, ...] = ()
    """Other passages that fit just as well."""

    @property
    def name(self) -> str:
        """What the passage is about, in its own words."""
        return self.passage.title or self.topic

    @property
    def focus(self) -> str:
        """The piece of the passage that answers, where one stands out."""
        if self.passage.role in _CONTAINERS:
            return ""
        wanted = [s for s in asked_stems(self.topic) if not found_in([s], list(self.passage.title_stems))]
        scored = [(len(found_in(wanted, content_stems(piece))), piece) for piece in self.passage.pieces]
        best = max(score for score, _ in scored)
        fitting = [piece for score, piece in scored if score == best]
        return fitting[0] if best and len(fitting) == 1 and len(scored) > 1 else ""


def find_price(topic: str, sources: Sequence[Page | Read]) -> Finding | None:
    """The price of a thing; of the page's main thing when `topic` is empty."""
    priced = [passage for passage in _passages(sources) if passage.money]
    wanted = [stem for stem in content_stems(topic) if stem not in _PRICE_WORDS]
    if not wanted:
        main = [passage for passage in priced if not passage.marginal] or priced
        return Finding(main[0], main[0].money[0], topic) if main else None
    return _best(wanted, priced, topic, lambda passage: _price_in(wanted, passage))


def find_extreme(question: Question, sources: Sequence[Page | Read]) -> Finding | None:
    """The cheapest or the dearest of the things that the sources list, among those the question names if it names any."""
    wanted = content_stems(question.topics[0]) if question.topics else []
    entries = [
        p
        for p in _passages(sources)
        if p.money and p.title and p.role in ("row", "listitem", "article") and not p.marginal
    ]
    fitting = [p for p in entries if len(found_in(wanted, p.title_stems)) == len(wanted)]
    if not fitting:
        return None
    choose: Callable[..., Passage] = min if question.kind == "cheapest" else max
    found = choose(fitting, key=lambda p: p.money[0].amount)
    return Finding(found, found.money[0], found.title)


def find_passage(question: Question, sources: Sequence[Page | Read]) -> Finding | None:
    """The passage that fits a question best, if any fits well enough."""
    wanted = asked_stems(question.text)
    # A heading, or whatever says no more than the question does, is a label and not an answer.
    passages = [
        passage
        for passage in _passages(sources)
        if passage.role != "heading" and len(found_in(passage.stems, frozenset(wanted))) < len(passage.stems)
    ]
    shape = next((shape for asked, shape in _WANTS if asked.search(question.text)), None)
    if shape is not None:
        passages = [passage for passage in passages if shape.search(passage.text)] or passages
    return _best(wanted, passages, question.text, lambda _: None, title_weight=0.2) if wanted else None


def listed(sources: Sequence[Page | Read]) -> list[Passage]:
    """The entries of the lists and tables of the sources, each once."""
    entries = {
        p.title: p
        for p in _passages(sources)
        if p.title and p.role in ("row", "listitem", "article") and not p.marginal
    }
    return list(entries.values())


def _passages(sources: Iterable[Page | Read]) -> Iterable[Passage]:
    return (passage for source in sources for passage in source.passages)


def _best(
    wanted: list[str],
    passages: Sequence[Passage],
    topic: str,
    money: Callable[[Passage], Money | None],
    *,
    title_weight: float = 1.0,
) -> Finding | None:
    weights = _weights(wanted, passages)
    fitting = [(share, p) for p in passages if (share := _share(wanted, weights, p)) >= ENOUGH]
    if not fitting:
        return None
    scored = [(_score(wanted, weights, p, title_weight), share, p) for share, p in fitting]
    best, share, passage = max(scored, key=lambda entry: entry[0])
    rivals = {
        other.title: other
        for score, _, other in scored
        if best - score < 0.01 and other.title and other.title != passage.title and passage.title
    }
    return Finding(passage, money(passage), topic, share > 0.999, tuple(rivals.values()))


def _weights(wanted: list[str], passages: Sequence[Passage]) -> dict[str, float]:
    """How much each word tells: rare ones more. A word that is nowhere is as telling as the rarest."""
    count = len(passages)
    seen = {stem: sum(bool(found_in([stem], passage.stems)) for passage in passages) for stem in wanted}
    return {stem: math.log(1 + (count + 1) / max(number, 1)) for stem, number in seen.items()}


def _share(wanted: list[str], weights: dict[str, float], passage: Passage) -> float:
    own = found_in(wanted, passage.stems)
    above = found_in(wanted, passage.context_stems | passage.source_stems)
    return sum(weights[stem] for stem in own | above) / sum(weights.values())


def _score(wanted: list[str], weights: dict[str, float], passage: Passage, title_weight: float) -> float:
    total = sum(weights.values())
    own = found_in(wanted, passage.stems)
    above = found_in(wanted, passage.context_stems) - own
    beside = found_in(wanted, passage.source_stems) - own - above
    parts = ((own, 1.0), (above, 0.85), (beside, 0.4))
    score = sum(factor * weights[stem] for found, factor in parts for stem in found) / total
    score += title_weight * _title_bonus(wanted, passage.title_stems)
    score -= 0.01 * (len(passage.pieces) - 1) + 0.05 * math.log2(max(1.0, len(passage.text) / 300))
    return score - 0.1 * passage.marginal - 0.3 * (passage.role in _CONTAINERS)


def _title_bonus(wanted: list[str], title: tuple[str, ...]) -> float:
    """A title made of the wanted words is what was meant; in English the last word names the thing: a standing desk is a desk."""
    if not title:
        return 0.0
    covered = sum(any(alike(stem, word) for stem in wanted) for word in title)
    ends_alike = any(alike(stem, title[-1]) for stem in wanted)
    return 0.3 * covered / len(title) + (0.2 if ends_alike else 0.0)


def _price_in(wanted: list[str], passage: Passage) -> Money:
    """The first amount after the last mention of the thing, or else the first of all."""
    for number, piece in reversed(list(enumerate(passage.pieces))):
        if found_in(wanted, content_stems(piece)):
            after = Passage(passage.pieces[number:], passage.source).money
            if after:
                return after[0]
    return passage.money[0]
