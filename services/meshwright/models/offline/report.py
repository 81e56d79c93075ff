"""The answer in words (Markdown)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from meshwright.models.offline.passages import Document, Page, Passage, Source
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
    sentences = re.split(r"(?<=[.!?])\s+|\s·\s", text)
    wanted = content_stems(question)
    best = max(range(len(sentences)), key=lambda n: (len(found_in(wanted, content_stems(sentences[n]))), -n))
    kept = sentences[best]
    for sentence in sentences[best + 1 :]:
        if len(kept) + len(sentence) > MAX_QUOTE:
            break
        kept += f" {sentence}"
    cut = kept if len(kept) <= MAX_QUOTE else kept[: MAX_QUOTE - 1].rstrip() + "…"
    return f"… {cut}" if best else cut


def price_answer(finding: Finding) -> str:
    """ "The desk lamp costs $49.00." with its quotation."""
    assert finding.money is not None
    name = finding.name or "It"
    price = escape(finding.money.text)
    sentence = f"**{escape(name)}**: **{price}**" if finding.name else f"It costs **{price}**"
    if not finding.exact:
        sentence = f"Nothing is called exactly “{escape(finding.topic)}”. The nearest is {sentence}"
    if finding.rivals:
        others = ", ".join(f"{escape(p.title)} ({escape(p.money[0].text)})" for p in finding.rivals)
        sentence += f". Others fit “{escape(finding.topic)}” as well: {others}"
    return f"{sentence}.\n\n{quoted(finding.passage, finding.topic)}"


def passage_answer(finding: Finding) -> str:
    """The passage that answers a question, and in front of it the piece that does, where one stands out."""
    quotation = quoted(finding.passage, finding.topic)
    if not finding.focus:
        text = escape(shortened(finding.passage.text, finding.topic))
        return f"{text}\n\n(from {named(finding.passage.source)})"
    about = f"{escape(finding.passage.title)}: " if finding.passage.title else ""
    return f"{about}**{escape(shortened(finding.focus, finding.topic))}**\n\n{quotation}"


def comparison(findings: Sequence[Finding]) -> str:
    """Prices side by side, and which is the lowest."""
    lines = ["| | Price | Where |", "| --- | --- | --- |"]
    for finding in findings:
        assert finding.money is not None
        name = escape(finding.name or finding.passage.source.label)
        lines.append(f"| {name} | {escape(finding.money.text)} | {named(finding.passage.source)} |")
    return "\n".join(lines) + "\n\n" + _verdict(findings)


def _verdict(findings: Sequence[Finding]) -> str:
    priced = [
        (finding.money, escape(finding.name or finding.passage.source.label)) for finding in findings if finding.money
    ]
    priced.sort(key=lambda entry: entry[0].amount)
    (low, lowest), (high, highest) = priced[0], priced[-1]
    if len({money.currency for money, _ in priced}) > 1:
        return "The prices are in different currencies, so I do not compare them."
    if low.amount == high.amount:
        return "They cost the same."
    if len(priced) == 2:
        return f"**{lowest}** is cheaper, by **{escape(high.minus(low))}**."
    return f"**{lowest}** is the cheapest, **{highest}** the dearest: {escape(high.minus(low))} apart."


def entries(found: Sequence[Passage], question: str) -> str:
    """The entries of a list, with their prices where they have some."""
    lines = [f"- {escape(p.title)}" + (f": {escape(p.money[0].text)}" if p.money else "") for p in found[:MAX_ENTRIES]]
    if len(found) > MAX_ENTRIES:
        lines.append(f"- … and {len(found) - MAX_ENTRIES} more")
    return "\n".join(lines) + f"\n\n(from {named(found[0].source)})"


def summary(source: Page | Document) -> str:
    """What a page or a file begins with: no understanding, only its own first words."""
    if isinstance(source, Document):
        return f"{named(source.source)}:\n\n{excerpt(source.text)}"
    content = [p for p in source.passages if not p.marginal]
    heading = next((p.text for p in content if p.role == "heading"), "")
    said = [p.text for p in content if p.role in ("paragraph", "alert", "status", "generic") and len(p.text) > 20][:3]
    listing = [p.title for p in content if p.role in ("listitem", "row", "article") and p.title]
    lines = [f"{named(source.source)}" + (f": **{escape(heading)}**" if heading and heading != source.title else "")]
    lines += [f"> {escape(shortened(text))}" for text in dict.fromkeys(said)]
    if listing:
        shown = ", ".join(escape(title) for title in dict.fromkeys(listing[:12]))
        lines.append(f"It lists: {shown}" + ("…" if len(listing) > 12 else "") + ".")
    return "\n\n".join(lines)


def excerpt(text: str) -> str:
    """The beginning of a file or of a tool's result, as it is."""
    body = text.strip()
    if len(body) > MAX_EXCERPT:
        body = body[:MAX_EXCERPT].rsplit("\n", 1)[0] + "\n…"
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", body)), default=0))
    return f"{fence}\n{body}\n{fence}" if body else "(it is empty)"
