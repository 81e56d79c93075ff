"""Acting on the current page: clicking, typing, following links, taking pictures."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping

from meshwright.models.offline import plan, report
from meshwright.models.offline.answering import Conversation
from meshwright.models.offline.elements import find_clickable, find_field, find_link, find_option
from meshwright.models.offline.memory import Call, Result
from meshwright.models.offline.pages import Page
from meshwright.models.offline.question import PRONOUNS
from meshwright.models.offline.snapshot import Node
from meshwright.models.offline.work import Work, error_text

Find = Callable[[Page], "Node | None"]


def refreshed(work: Work) -> Conversation:
    """See to it that a page which an earlier task has left open is shown as it is now."""
    if work.page is None or not work.page_is_old:
        return
    page = work.page
    work.page_is_old = False
    (result,) = yield [Call("browser.snapshot", {"tab": page.tab})]
    if result.page is None:
        # Its browser has been given back in the meantime.
        (result,) = yield [Call("browser.open", {"url": page.url})]
    if result.page is not None:
        work.go_to(result.page)


def click(target: str, work: Work) -> Conversation:
    """Click the element that is called so."""
    yield from refreshed(work)
    done = yield from _act(work, f"click “{target}”", lambda page: find_clickable(page, target), "browser.click", {})
    if done is not None:
        _tell(work, f"Clicked “{report.escape(done.label)}”")


def type_text(action: plan.Type, work: Work) -> Conversation:
    """Type into the field that is called so."""
    yield from refreshed(work)
    what = f"type into “{action.target}”"
    arguments = {"text": action.text, "submit": action.submit}
    done = yield from _act(work, what, lambda page: find_field(page, action.target), "browser.type", arguments)
    if done is None:
        return
    shown = "…" if "password" in done.label.casefold() else report.escape(action.text)
    said = f"Typed “{shown}” into “{report.escape(done.label or action.target)}”"
    if action.submit:
        _tell(work, f"{said} and submitted it")
    else:
        work.remarks.append(f"{said}.")


def select(action: plan.Select, work: Work) -> Conversation:
    """Choose an option of a list. Without such a list the option is clicked: a radio button, for example."""
    yield from refreshed(work)
    found = find_option(work.page, action.option, action.target) if work.page else None
    if found is None:
        yield from click(action.option, work)
        return
    values = {"values": [found[1].label]}
    what = f"choose “{action.option}”"
    done = yield from _act(work, what, lambda page: _list_of(page, action), "browser.select", values)
    if done is not None:
        work.remarks.append(f"Chose “{report.escape(found[1].label)}” in “{report.escape(done.name)}”.")


def _list_of(page: Page, action: plan.Select) -> Node | None:
    found = find_option(page, action.option, action.target)
    return found[0] if found else None


def go_back(work: Work) -> Conversation:
    """Go back to the page before."""
    yield from refreshed(work)
    if work.page is None:
        work.remarks.append("I could not go back: no page is open.")
        return
    (result,) = yield [Call("browser.back", {"tab": work.page.tab})]
    if result.page is None:
        work.remarks.append(f"I could not go back: {error_text(result)}.")
        return
    work.moved(result.page)
    _tell(work, "Went back")


def follow(action: plan.Follow, work: Work) -> Conversation:
    """Open the link that fits best, in the same tab."""
    yield from refreshed(work)
    page = work.page
    if page is None:
        work.remarks.append(f"I could not go to “{report.escape(action.target)}”: no page is open.")
        return
    if action.unless_field and find_field(page, action.unless_field) is not None:
        return
    target = work.thing if work.thing and PRONOUNS.match(action.target) else action.target
    link = find_link(page, target)
    if link is None:
        work.remarks.append(f"I could not find a link to “{report.escape(target)}” on {report.named(page.source)}.")
        return
    (result,) = yield [Call("browser.open", {"url": link[1], "tab": page.tab})]
    if result.page is None:
        work.remarks.append(f"I could not open {link[1]}: {error_text(result)}.")
        return
    work.moved(result.page)
    for material in work.materials:
        if material.source is result.page:
            material.used = False


def take_screenshot(work: Work) -> Conversation:
    """Take a picture of the current page; it reaches the user as an artifact of the call."""
    yield from refreshed(work)
    if work.page is None:
        work.remarks.append("I could not take a screenshot: no page is open.")
        return
    work.use(work.page)
    (result,) = yield [Call("browser.screenshot", {"tab": work.page.tab})]
    if result.failed:
        work.remarks.append(f"I could not take a screenshot: {error_text(result)}.")
    else:
        work.remarks.append(f"Took a screenshot of {report.named(work.page.source)}.")


def _act(
    work: Work, what: str, find: Find, tool: str, arguments: Mapping[str, object]
) -> Generator[list[Call], list[Result], Node | None]:
    """Act on the element that `find` finds; when it is not there or has changed, once more on a new snapshot."""
    if work.page is None:
        work.remarks.append(f"I could not {report.escape(what)}: no page is open.")
        return None
    why = ""
    for attempt in range(2):
        node = find(work.page)
        if node is None:
            why = f"there is nothing like it on {report.named(work.page.source)}"
            now = (yield [Call("browser.snapshot", {"tab": work.page.tab})])[0].page if not attempt else None
        else:
            (result,) = yield [Call(tool, {"tab": work.page.tab, "ref": node.ref, **arguments})]
            if not result.failed:
                if result.page is not None:
                    work.moved(result.page)
                return node
            why = error_text(result)
            now = result.shown
        if now is None:
            break
        work.moved(now)
    work.remarks.append(f"I could not {report.escape(what)}: {why}.")
    return None


def _tell(work: Work, what: str) -> None:
    """Say what was done, where it led, and what the page has to say about it."""
    page = work.page
    if page is None:
        return
    said = [p.text for p in page.passages if p.role in ("alert", "status") and not p.marginal]
    message = "".join(f"\n\n> {report.escape(report.shortened(text))}" for text in dict.fromkeys(said[:2]))
    work.remarks.append(f"{what}; the page is now {report.named(page.source)}.{message}")
