"""What a task has opened, read and found so far."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from meshwright.models.offline.documents import Read
from meshwright.models.offline.memory import Result
from meshwright.models.offline.pages import Page
from meshwright.models.offline.report import Answer


@dataclass
class Material:
    """One thing that was opened or read."""

    what: str
    """How the task names it: an address, a path, a query."""
    source: Page | Read | None = None
    """None when it could not be had."""
    error: str = ""
    heading: str = ""
    """How it is introduced when nothing was asked of it."""
    used: bool = False
    """Whether an answer was looked for in it."""


@dataclass
class Work:
    """The state of a task while its plan is carried out."""

    page: Page | None = None
    """The page that actions go to."""
    page_is_old: bool = False
    """Whether it was left open by an earlier task, so that it may have changed or gone."""
    materials: list[Material] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    """What was done, and what could not be."""
    thing: str = ""
    """What was found last: what "it" stands for."""
    unclear: list[str] = field(default_factory=list)
    """Clauses that were not understood."""
    visited: set[str] = field(default_factory=set)
    _fresh: list[Material] = field(default_factory=list)
    _asked: bool = False

    def say(self, text: str) -> None:
        """Add an answer that reads the same in a file."""
        self.answers.append(Answer(text, text))

    def add(self, material: Material) -> None:
        """Take in something opened or read. The questions that follow are asked of it, and of what came right before it."""
        self.materials.append(material)
        self.thing = ""
        if self._asked:
            self._fresh = []
            self._asked = False
        self._fresh.append(material)
        if isinstance(material.source, Page):
            self.go_to(material.source)

    def go_to(self, page: Page) -> None:
        """Make a page the one that actions go to."""
        self.page = page
        self.page_is_old = False
        self.visited.add(page.url.partition("#")[0])

    def use(self, page: Page) -> None:
        """Note that a page has served its purpose, so that it need not be summed up."""
        for material in self.materials:
            if material.source is page:
                material.used = True

    def moved(self, page: Page) -> None:
        """The current page has become another one by an action: questions are asked of that one."""
        old = self.page
        self.go_to(page)
        for material in self._fresh:
            if isinstance(material.source, Page) and old is not None and material.source.tab == old.tab:
                material.source = page
                self._asked = False
                return
        self.add(Material(page.url, page))

    def asked(self) -> list[Page | Read]:
        """What a question is asked of."""
        self._asked = True
        for material in self._fresh:
            material.used = True
        found = [material.source for material in self._fresh if material.source is not None]
        return found or ([self.page] if self.page is not None and not self._fresh else [])


def error_text(result: Result) -> str:
    """Why a call failed, on one line."""
    line = next((line for line in result.body.splitlines() if line.strip()), "no reason was given")
    return re.sub(r"^(?:The call \w+|Error): ", "", line.strip()).rstrip(".")
