"""A plan carried out: a generator that yields the calls of a step, all independent, and is sent their results."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

from meshwright.models.offline import plan, report
from meshwright.models.offline.acting import click, follow, refreshed, take_screenshot, type_text
from meshwright.models.offline.answering import Conversation, answer, compare
from meshwright.models.offline.documents import Document
from meshwright.models.offline.memory import Call, Result
from meshwright.models.offline.plan import Step
from meshwright.models.offline.work import Material, Work, error_text


def carry_out(steps: Sequence[Step], work: Work) -> Conversation:
    """Do all steps; what comes of them is left in `work`."""
    gathered: dict[int, Result] = {}
    for number, step in enumerate(steps):
        if isinstance(step.action, plan.Gather):
            if number not in gathered:
                together = list(_together(steps, number))
                results = yield [_call(steps[n].action) for n in together]
                gathered.update(zip(together, results, strict=True))
            work.add(_material(step.action, gathered[number]))
        else:
            yield from _do(step.action, work)


def _together(steps: Sequence[Step], first: int) -> Iterator[int]:
    """The steps from `first` on that can run at once: up to one that is to come later, and no file is read over a write."""
    written = False
    for number in range(first, len(steps)):
        action = steps[number].action
        if steps[number].ordered and number > first:
            return
        written = written or isinstance(action, plan.WriteFile)
        if isinstance(action, plan.Open) or (isinstance(action, plan.Gather) and not written):
            yield number


def _call(action: plan.Action) -> Call:
    match action:
        case plan.Open(url):
            return Call("browser.open", {"url": url})
        case plan.ReadFile(path):
            return Call("file.read", {"path": path})
        case plan.ListFiles(path):
            return Call("file.list", {"path": path})
        case plan.SearchFiles(query):
            return Call("search.files", {"query": query})
        case plan.Grep(pattern, path):
            return Call("file.grep", {"pattern": pattern, "path": path})
        case _:
            raise AssertionError(action)


def _material(action: plan.Action, result: Result) -> Material:
    match action:
        case plan.Open(url):
            material = Material(url, result.page)
            failure = f"I could not open {url}"
        case plan.ReadFile(path):
            material = Material(path, Document(path, _content(result)))
            failure = f"I could not read `{path}`"
        case plan.ListFiles(path):
            material = Material(path, Document(path, result.body), heading=f"The files in `{path}`:")
            failure = f"I could not list `{path}`"
        case plan.SearchFiles(query):
            heading = f"What the documents have on “{report.escape(query)}”:"
            material = Material(query, Document("the documents", result.body), heading=heading)
            failure = f"I could not search for “{query}”"
        case plan.Grep(pattern, path):
            heading = f"The lines with “{report.escape(pattern)}” in `{path}`:"
            material = Material(path, Document(path, result.body), heading=heading)
            failure = f"I could not search `{path}`"
        case _:
            raise AssertionError(action)
    if result.failed or material.source is None:
        why = error_text(result) if result.failed else "the result shows no page"
        return Material(material.what, None, f"{failure}: {why}.")
    return material


def _content(result: Result) -> str:
    """A file's own text, without what the tool says around it."""
    for key in ("content", "text"):
        if result.structured and isinstance(value := result.structured.get(key), str):
            return value
    return result.body


def _do(action: plan.Action, work: Work) -> Conversation:
    match action:
        case plan.Ask(question):
            yield from refreshed(work)
            yield from answer(question, work)
        case plan.Compare(things):
            yield from refreshed(work)
            yield from compare(things, work)
        case plan.WriteFile():
            yield from _write(action, work)
        case plan.Follow():
            yield from follow(action, work)
        case plan.Click(target):
            yield from click(target, work)
        case plan.Type():
            yield from type_text(action, work)
        case plan.Screenshot():
            yield from take_screenshot(work)
        case plan.Unclear(text):
            work.unclear.append(text)


def _write(action: plan.WriteFile, work: Work) -> Generator[list[Call], list[Result], None]:
    text = action.text
    if action.question is not None:
        before = len(work.answers)
        yield from answer(action.question, work)
        text = "\n".join(answer.plain for answer in work.answers[before:])
    if text is None:
        text = "\n".join(answer.plain for answer in work.answers) or "\n\n".join(_unasked(work))
    (result,) = yield [Call("file.write", {"path": action.path, "content": text + "\n"})]
    if result.failed:
        work.remarks.append(f"I could not write `{action.path}`: {error_text(result)}.")
    else:
        work.remarks.append(f"Wrote `{action.path}` ({len(text) + 1} characters).")


def _unasked(work: Work) -> list[str]:
    """What was opened and read, for a task that asked nothing of it."""
    shown: list[str] = []
    for material in work.materials:
        if material.source is None or material.used:
            continue
        material.used = True
        if material.heading and isinstance(material.source, Document):
            shown.append(f"{material.heading}\n\n{report.excerpt(material.source.text)}")
        else:
            shown.append(report.summary(material.source))
    return shown


def conclusion(work: Work) -> str:
    """The answer to the task: what was found, what was done, and what could not be."""
    errors = [material.error for material in work.materials if material.error]
    parts = [*(answer.shown for answer in work.answers), *work.remarks, *_unasked(work), *errors]
    return "\n\n".join(parts)
