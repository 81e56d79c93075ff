"""Opening and reading: the call for each such action, and what its result brings."""

from __future__ import annotations

import re

from meshwright.models.offline import plan, report
from meshwright.models.offline.documents import Document, Hits, Read
from meshwright.models.offline.memory import Call, Result
from meshwright.models.offline.pages import Page
from meshwright.models.offline.work import Material, error_text


def call_for(action: plan.Action) -> Call:
    """The tool call of an action that gathers."""
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
            return Call("file.grep", {"pattern": _literal(pattern), "path": path, "ignore_case": True})
        case _:
            raise AssertionError(action)


def material_from(action: plan.Action, result: Result) -> Material:
    """What the result of such a call brings, or why it brings nothing."""
    source: Page | Read | None
    match action:
        case plan.Open(url):
            what, heading, failure = url, "", f"I could not open {url}"
            source = result.page
        case plan.ReadFile(path):
            what, heading, failure = path, "", f"I could not read `{path}`"
            source = Document(path, _content(result))
        case plan.ListFiles(path):
            where = f"`{path}`" if path else "the workspace"
            what, heading, failure = path, f"The files in {where}:", f"I could not list {where}"
            source = Document(path, result.body)
        case plan.SearchFiles(query):
            name = report.escape(query)
            what, failure = query, f"I could not search for “{name}”"
            source = _hits(result)
            heading = f"What the documents have on “{name}”:"
        case plan.Grep(pattern, path):
            heading = f"The lines with “{report.escape(pattern)}” in `{path}`:"
            what, failure = path, f"I could not search `{path}`"
            source = Document(path, result.body)
        case _:
            raise AssertionError(action)
    if result.failed or source is None:
        why = error_text(result) if result.failed else "the result shows no page"
        return Material(what, None, f"{failure}: {why}.")
    return Material(what, source, heading=heading)


def _content(result: Result) -> str:
    """A file's own text, without what the tool says around it."""
    content = (result.structured or {}).get("content")
    return content if isinstance(content, str) and content else result.body


def _hits(result: Result) -> Read:
    found = (result.structured or {}).get("results")
    if not isinstance(found, list):
        return Document("the documents", result.body)
    return Hits(tuple((str(hit["path"]), int(hit["line"]), str(hit["snippet"])) for hit in found))


def _literal(text: str) -> str:
    """A text as a regular expression that matches just it."""
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", text)
