"""Answering questions from what was opened, and from the pages one link further."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from meshwright.models.offline import report
from meshwright.models.offline.documents import Read
from meshwright.models.offline.elements import find_link
from meshwright.models.offline.memory import Call, Result
from meshwright.models.offline.pages import Page
from meshwright.models.offline.question import Question
from meshwright.models.offline.reading import Finding, find_extreme, find_passage, find_price, listed
from meshwright.models.offline.work import Work

Conversation = Generator[list[Call], list[Result], None]
FOLLOWED = 2
"""How many links, one after the other, are followed in search of an answer."""
LEAST_LINK = 0.34
"""The share of a question's words that a link must have to be worth following."""

Sources = Sequence[Page | Read]
Look = Callable[[Sources], "Finding | None"]


def answer(question: Question, work: Work) -> Conversation:
    """Answer a question; the answer is added to the work."""
    sources = list(work.asked())
    pages = [source for source in sources if isinstance(source, Page)]
    match question.kind:
        case "price":
            yield from _answer_price(question, sources, work)
        case "cheapest" | "dearest":
            yield from _answer_one(
                question, lambda found: find_extreme(question, found), report.price_answer, sources, work
            )
        case "title":
            work.answers += [report.title(page) for page in pages]
        case "links":
            for page in pages:
                work.say(report.links(page))
        case "listing" if found := listed(sources):
            work.say(report.entries(found))
        case "summary":
            for source in sources:
                work.say(report.summary(source))
        case _:
            yield from _answer_one(
                question, lambda found: find_passage(question, found), report.passage_answer, sources, work
            )
    if not sources:
        work.say(f"I could not look for “{report.escape(question.text)}”: nothing was opened or read.")


def compare(things: Sequence[str], work: Work) -> Conversation:
    """Set things side by side by their prices, or say what there is instead."""
    sources = list(work.asked())
    if not things:
        _compare_sources(sources, work)
        return
    findings = yield from _find_prices(things, sources, work)
    if len(findings) > 1:
        work.answers.append(report.comparison(findings))
    else:
        work.answers += [report.price_answer(finding) for finding in findings]


def _compare_sources(sources: Sources, work: Work) -> None:
    findings = [found for source in sources if (found := find_price("", [source]))]
    if len(findings) == len(sources) > 1:
        work.answers.append(report.comparison(findings))
        return
    for source in sources:
        work.say(report.summary(source))
    if len(sources) > 1:
        work.say("Not all of them name a price, so there is nothing that I can compare by rule.")


def _answer_price(question: Question, sources: list[Page | Read], work: Work) -> Conversation:
    if len(question.topics) > 1:
        findings = yield from _find_prices(question.topics, sources, work)
        if len(findings) > 1:
            work.answers.append(report.comparison(findings, total=question.total))
        else:
            work.answers += [report.price_answer(finding) for finding in findings]
        return
    topic = question.topics[0] if question.topics else work.thing
    yield from _answer_one(question, lambda found: find_price(topic, found), report.price_answer, sources, work)


def _find_prices(
    things: Sequence[str], sources: list[Page | Read], work: Work
) -> Generator[list[Call], list[Result], list[Finding]]:
    """The prices of several things; what is not on the pages at hand is looked for behind their links, all at once."""
    found: dict[str, Finding | None] = {}
    for _ in range(FOLLOWED + 1):
        found = {thing: find_price(thing, sources) for thing in things}
        missing = [thing for thing, finding in found.items() if finding is None]
        calls = [call for thing in missing if (call := _follow(thing, sources, work))]
        if not calls:
            break
        _take_in((yield calls), sources, work)
    for thing in things:
        if found[thing] is None:
            work.say(_not_found(f"the price of “{report.escape(thing)}”", sources))
    return [finding for thing in things if (finding := found[thing]) is not None]


def _answer_one(
    question: Question, look: Look, tell: Callable[[Finding], report.Answer], sources: list[Page | Read], work: Work
) -> Conversation:
    finding = look(sources)
    for _ in range(FOLLOWED):
        if finding is not None and finding.exact:
            break
        call = _follow(question.topics[0] if question.topics else question.text, sources, work)
        if call is None:
            break
        _take_in((yield [call]), sources, work)
        finding = look(sources) or finding
    if finding is not None:
        work.thing = finding.passage.title or work.thing
        work.answers.append(tell(finding))
    elif sources:
        of = (
            f"the price of “{report.escape(question.topics[0])}”"
            if question.kind == "price" and question.topics
            else ""
        )
        work.say(_not_found(of or f"an answer to “{report.escape(question.text)}”", sources))


def _follow(wanted: str, sources: Sources, work: Work) -> Call | None:
    """The call that opens the link which promises most, in a tab of its own."""
    pages = [source for source in sources if isinstance(source, Page)]
    for page in pages:
        if link := find_link(page, wanted, LEAST_LINK, work.visited):
            work.visited.add(link[1].partition("#")[0])
            return Call("browser.open", {"url": link[1]})
    return None


def _take_in(results: list[Result], sources: list[Page | Read], work: Work) -> None:
    for result in results:
        if result.page is not None:
            sources.append(result.page)
            work.go_to(result.page)


def _not_found(what: str, sources: Sources) -> str:
    looked = ", ".join(dict.fromkeys(report.named(source.source) for source in sources))
    return f"I could not find {what} on {looked}." if looked else f"I could not find {what}."
