"""The answer in words (Markdown)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from meshwright.models.offline.documents import Document, Hits, Read
from meshwright.models.offline.money import Money
from meshwright.models.offline.pages import Page
from meshwright.models.offline.passages import Passage, Source
from meshwright.models.offline.reading import Finding
from meshwright.models.offline.tokens import content_stems, found_in

MAX_QUOTE = 300
MAX_EXCERPT = 1500
MAX_ENTRIES = 30


def escape(text: str) -> str:
    """Text of a page or a file, so that it is shown and not taken for Markdown."""
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", text)


def named(source: Source) -> str:
    """A source as a reader can go to it."""
    if not source.url:
        return f"`{source.label}`"
    return f"[{escape(source.label)}](<{source.url}>)"


def quoted(passage: Passage, question: str = "") -> str:
    """A passage as a quotation, with where it is from."""
    return f"> {escape(shortened(passage.text, question))}\n>\n> from {named(passage.source)}"


def shortened(text: str, question: str = "") -> str:
    """A text short enough to quote: its sentences around the one that fits the question best."""
    if len(text) <= MAX_QUOTE:
        return text
    sentences = re.findall(r".+?(?:[.!?](?=\s)|\s·(?=\s)|$)\s*", text, re.DOTALL)
    wanted = content_stems(question)
    best = max(range(len(sentences)), key=lambda n: (len(found_in(wanted, content_stems(sentences[n]))), -n))
    kept = sentences[best]
    for sentence in sentences[best + 1 :]:
        if len(kept) + len(sentence) > MAX_QUOTE:
            break
        kept += sentence
    kept = kept.strip(" ·")
    cut = kept if len(kept) <= MAX_QUOTE else kept[: MAX_QUOTE - 1].rstrip() + "…"
    return f"… {cut}" if best else cut


@dataclass(frozen=True)
class Answer:
    """An answer, twice."""

    shown: str
    """For the reader, in Markdown, with its quotation and source."""
    plain: str
    """The answer alone, to be written to a file."""


def price_answer(finding: Finding) -> Answer:
    """What something costs."""
    assert finding.money is not None
    price = finding.money.text
    sentence = (
        f"**{escape(finding.name)}** costs **{escape(price)}**" if finding.name else f"It costs **{escape(price)}**"
    )
    if not finding.exact:
        sentence = f"Nothing is called exactly “{escape(finding.topic)}”. The nearest is {sentence}"
    if finding.rivals:
        others = ", ".join(f"{escape(p.title)} ({escape(p.money[0].text)})" for p in finding.rivals)
        sentence += f". Others fit “{escape(finding.topic)}” as well: {others}"
    shown = f"{sentence}.\n\n{quoted(finding.passage, finding.topic)}"
    return Answer(shown, f"{finding.name}: {price}" if finding.name else price)


def passage_answer(finding: Finding) -> Answer:
    """The passage that answers a question, and in front of it the piece that does, where one stands out."""
    quotation = quoted(finding.passage, finding.topic)
    if not finding.focus:
        text = shortened(finding.passage.text, finding.topic)
        return Answer(f"{escape(text)}\n\n(from {named(finding.passage.source)})", text)
    text = shortened(finding.focus, finding.topic)
    about = finding.passage.title
    shown = f"{escape(about)}: **{escape(text)}**" if about else f"**{escape(text)}**"
    return Answer(f"{shown}\n\n{quotation}", f"{about}: {text}" if about else text)


def comparison(findings: Sequence[Finding], *, total: bool = False) -> Answer:
    """Prices side by side, and which is the lowest, or what they come to."""
    priced = [
        (finding.money, finding.name or finding.passage.source.label, finding.passage.source)
        for finding in findings
        if finding.money is not None
    ]
    rows = [f"| {escape(name)} | {escape(money.text)} | {named(source)} |" for money, name, source in priced]
    table = "\n".join(["| | Price | Where |", "| --- | --- | --- |", *rows])
    plain = "\n".join(f"{name}: {money.text}" for money, name, _ in priced)
    conclude = _total if total else _verdict
    return Answer(f"{table}\n\n{conclude([(money, escape(name)) for money, name, _ in priced])}", plain)


def _total(priced: list[tuple[Money, str]]) -> str:
    if len({money.currency for money, _ in priced}) > 1:
        return "The prices are in different currencies, so I do not add them up."
    whole = sum((money.amount for money, _ in priced), Decimal(0))
    return f"Together they cost **{escape(priced[0][0].rewritten(whole))}**."


def _verdict(priced: list[tuple[Money, str]]) -> str:
    priced = sorted(priced, key=lambda entry: entry[0].amount)
    (low, lowest), (high, highest) = priced[0], priced[-1]
    if len({money.currency for money, _ in priced}) > 1:
        return "The prices are in different currencies, so I do not compare them."
    if low.amount == high.amount:
        return "They cost the same."
    if len(priced) == 2:
        return f"**{lowest}** is cheaper, by **{escape(high.rewritten(high.amount - low.amount))}**."
    return f"**{lowest}** is the cheapest, **{highest}** the dearest: {escape(high.rewritten(high.amount - low.amount))} apart."


def entries(found: Sequence[Passage]) -> str:
    """The entries of a list, with their prices where they have some."""
    lines = [f"- {escape(p.title)}" + (f": {escape(p.money[0].text)}" if p.money else "") for p in found[:MAX_ENTRIES]]
    if len(found) > MAX_ENTRIES:
        lines.append(f"- … and {len(found) - MAX_ENTRIES} more")
    return "\n".join(lines) + f"\n\n(from {named(found[0].source)})"


def title(page: Page) -> Answer:
    """What a page is called."""
    return Answer(f"The title is **{escape(page.title)}** ({named(page.source)}).", page.title)


def links(page: Page) -> str:
    """The links of a page, by their names."""
    names = dict.fromkeys(node.label for node in page.root.walk() if node.role == "link" and node.label)
    lines = [f"- {escape(name)}" for name in list(names)[:MAX_ENTRIES]]
    return f"{len(names)} links on {named(page.source)}:\n\n" + "\n".join(lines)


def summary(source: Page | Read) -> str:
    """What a page or a file begins with: no understanding, only its own first words."""
    if isinstance(source, Document):
        return f"{named(source.source)}:\n\n{excerpt(source.text)}"
    if isinstance(source, Hits):
        return hits(source)
    content = [p for p in source.passages if not p.marginal]
    heading = next((p.text for p in content if p.role == "heading"), "")
    said = [p.text for p in content if p.role in ("paragraph", "blockquote")]
    said = said or [p.text for p in content if p.role in ("generic", "text")]
    said = [text for text in dict.fromkeys(said) if len(text) > 20][:3]
    listing = [p.title for p in content if p.role in ("listitem", "row", "article") and p.title]
    lines = [f"{named(source.source)}" + (f": **{escape(heading)}**" if heading and heading != source.title else "")]
    lines += [f"> {escape(shortened(text))}" for text in said]
    if listing:
        shown = ", ".join(escape(title) for title in dict.fromkeys(listing[:12]))
        lines.append(f"It lists: {shown}" + ("…" if len(listing) > 12 else "") + ".")
    return "\n\n".join(lines)


def hits(found: Hits) -> str:
    """The passages that a search found."""
    shown = [
        f"- `{path}:{line}`: {escape(shortened(' '.join(snippet.split())))}" for path, line, snippet in found.found
    ]
    return "\n".join(shown) or "Nothing."


def excerpt(text: str) -> str:
    """The beginning of a file or of a tool's result, as it is."""
    body = text.strip()
    if len(body) > MAX_EXCERPT:
        body = body[:MAX_EXCERPT].rsplit("\n", 1)[0] + "\n…"
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", body)), default=0))
    return f"{fence}\n{body}\n{fence}" if body else "(it is empty)"
