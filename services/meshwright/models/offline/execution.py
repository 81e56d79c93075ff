"""A plan carried out: a generator that yields the calls of a step, all independent, and is sent their results."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

from meshwright.models.offline import plan, report
from meshwright.models.offline.acting import click, follow, go_back, refreshed, select, take_screenshot, type_text
from meshwright.models.offline.answering import Conversation, answer, compare
from meshwright.models.offline.documents import Document
from meshwright.models.offline.gathering import call_for, material_from
from meshwright.models.offline.memory import Call, Result
from meshwright.models.offline.pages import Page
from meshwright.models.offline.plan import Step
from meshwright.models.offline.work import Work, error_text


def carry_out(steps: Sequence[Step], work: Work) -> Conversation:
    """Do all steps; what comes of them is left in `work`."""
    gathered: dict[int, Result] = {}
    for number, step in enumerate(steps):
        if isinstance(step.action, plan.Gather):
            if number not in gathered:
                together = list(_together(steps, number))
                results = yield [call_for(steps[n].action) for n in together]
                gathered.update(zip(together, results, strict=True))
            work.add(material_from(step.action, gathered[number]))
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
        case plan.Select():
            yield from select(action, work)
        case plan.GoBack():
            yield from go_back(work)
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
        if not material.heading:
            shown.append(report.summary(material.source))
        elif isinstance(material.source, Document):
            shown.append(f"{material.heading}\n\n{report.excerpt(material.source.text)}")
        else:
            shown.append(f"{material.heading}\n\n{report.summary(material.source)}")
    return shown


def conclusion(work: Work) -> str:
    """The answer to the task: what was found, what was done, and what could not be."""
    errors = [material.error for material in work.materials if material.error]
    errors += [
        f"{report.named(page.source)} answered with HTTP {page.http_status}."
        for material in work.materials
        if isinstance(page := material.source, Page) and page.http_status >= 400
    ]
    parts = [*(answer.shown for answer in work.answers), *work.remarks, *_unasked(work), *errors]
    return "\n\n".join(parts)
