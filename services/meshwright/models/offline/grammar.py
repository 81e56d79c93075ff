"""The phrasings that the offline planner understands.

`GRAMMAR` is a table: the first pattern that fits a clause makes its actions. A pattern sees URLs and quotations as marks (`URL`, `QUOTED`),
so that what stands in them is never taken for an instruction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from meshwright.models.offline import builders as build
from meshwright.models.offline import plan
from meshwright.models.offline.clauses import QUOTED, URL, Clause, split_clauses
from meshwright.models.offline.places import Places
from meshwright.models.offline.plan import Action, Step

Builder: TypeAlias = Callable[[Clause, "re.Match[str]", Places], Sequence[Action]]

_FILE = rf"(?:{QUOTED}|[\w./~-]*[\w~-]\.\w{{1,8}}|(?:\.{{0,2}}/)?[\w.-]+/[\w./-]+)"


def parse(text: str, demo_url: str, page_url: str = "") -> list[Step]:
    """The steps that a task asks for, in its own order. `page_url` is the page that an earlier task has left open."""
    places = Places(demo_url)
    if page_url:
        places.note(plan.Open(page_url))
    steps: list[Step] = []
    for clause in split_clauses(text):
        actions = _actions(clause, places)
        if _submits(actions) and steps and isinstance(last := steps[-1].action, plan.Type):
            steps[-1] = replace(steps[-1], action=replace(last, submit=True))
            continue
        if actions == [plan.Compare()] and steps and _compares(steps[-1].action):
            continue
        for number, action in enumerate(actions):
            steps.append(Step(action, clause.ordered and number == 0))
            places.note(action)
    return steps


def _compares(action: Action) -> bool:
    """Whether an action has set prices side by side already."""
    return isinstance(action, plan.Ask) and len(action.question.topics) > 1


def _submits(actions: Sequence[Action]) -> bool:
    return len(actions) == 1 and actions[0] == plan.Click("submit")


def _actions(clause: Clause, places: Places) -> Sequence[Action]:
    for pattern, builder in GRAMMAR:
        if (match := pattern.match(clause.masked)) and (actions := builder(clause, match, places)):
            return actions
    return [plan.Unclear(clause.plain())]


def _table(*rows: tuple[str, Builder]) -> tuple[tuple[re.Pattern[str], Builder], ...]:
    return tuple((re.compile(pattern, re.IGNORECASE), builder) for pattern, builder in rows)


_DOCUMENTS = r"(?:(?:my|the|our|all|your|these)\s+)*(?:documents?|docs|workspace|files|folders?|notes|knowledge base)"

GRAMMAR: tuple[tuple[re.Pattern[str], Builder], ...] = _table(
    # take a screenshot of URL
    (r"(?:(?:take|make|grab|get|give me|show me|capture)\s+)?(?:an?\s+|the\s+)?(?:full[- ]page\s+)?screen\s?shots?"
     r"(?:\s+(?:of|from)\s+(?P<rest>.+))?$", build.screenshot),
    # compare the prices of X and Y; which is cheaper, X or Y
    (r"compare\s+(?P<rest>.+)$", build.compare),
    (r"(?:(?:tell me|say|find out)\s+)?(?:which|what)(?: one)? (?:is|costs?) (?:cheaper|more expensive|less|more)\b[,:]?\s*"
     r"(?P<rest>.*)$", build.compare),
    # write TEXT to FILE; create FILE with TEXT
    (r"(?:write|save|put|store)\s+(?P<what>.+)\s+(?:to|into|in|as)\s+(?:the\s+|a\s+)?(?:new\s+)?(?:file\s+)?"
     rf"(?:called\s+|named\s+)?(?P<path>{_FILE})$", build.write),
    (r"(?:create|make|write)\s+(?:to\s+)?(?:the\s+|a\s+)?(?:new\s+)?(?:file\s+)?(?:called\s+|named\s+)?"
     rf"(?P<path>{_FILE})\s*(?:with|containing|that says|saying|:)\s*(?:the\s+)?(?:(?:text|contents?|words?)\s+)?(?P<what>.+)$",
     build.write),
    # type TEXT into FIELD; fill FIELD with TEXT; submit
    (r"(?:type|enter|input|write|put)\s+(?P<text>.+?)\s+(?:into|in|to|as)\s+(?P<target>.+)$", build.type_text),
    (r"fill\s+(?:in\s+|out\s+)?(?P<target>.+?)\s+with\s+(?P<text>.+)$", build.type_text),
    (r"set\s+(?P<target>.+?)\s+to\s+(?P<text>.+)$", build.type_text),
    (r"submit(?:\s+(?:it|the form|the search))?$|(?:press|hit)\s+(?:enter|return)$", build.submit),
    # add THING to the cart; click NAME
    (r"add\s+(?P<thing>.+?)\s+to\s+(?:the|my|your)\s+(?:shopping\s+)?(?:cart|basket|bag)$", build.add_to_cart),
    (r"(?:click|tap|press|push|follow|hit)\s+(?P<rest>.+?)(?:\s+(?:button|link|tab))?$", build.click),
    # choose OPTION in LIST; go back
    (r"(?:choose|select|pick)\s+(?P<option>.+?)(?:\s+(?:in|from|as|for)\s+(?P<target>.+))?$", build.select),
    (r"(?:go\s+)?back(?:\s+to\s+.*)?$", build.go_back),
    # list the files in FOLDER
    (r"(?:(?:list|show|show me|give me|what are|print)\s+)(?:all\s+)?(?:of\s+)?(?:the\s+|my\s+)?files?"
     r"(?:\s+(?:in|of|under)\s+(?:the\s+)?(?:folder\s+|directory\s+|workspace)?(?P<path>\S*))?$", build.list_files),
    (r"(?:what|which) files (?:are|do)\b(?:.*\b(?:in|under)\s+(?:the\s+)?(?:folder\s+|workspace)?(?P<path>\S*))?.*$",
     build.list_files),
    (r"(?:ls|list)(?:\s+(?:the\s+)?(?:folder\s+|directory\s+)?(?P<path>[\w.-]*/[\w./-]*|workspace|\.))?$", build.list_files),
    # search FILE for X; search for X in the documents; search for X (on the page, or in the documents)
    (r"(?:grep|search|look|find)\s+(?:for\s+)?(?P<pattern>.+?)\s+in\s+(?:the\s+)?(?:files?\s+|folder\s+)?(?P<path>\S+)$",
     build.grep),
    (r"(?:grep|search)\s+(?:the\s+)?(?:file\s+|folder\s+)?(?P<path>\S+)\s+for\s+(?P<pattern>.+)$", build.grep),
    (rf"(?:search|look|hunt|find)(?:\s+for)?\s+(?P<query>.+?)\s+(?:in|within|across|through)\s+{_DOCUMENTS}$",
     build.search_files),
    (rf"(?:search|look)\s+(?:in\s+|through\s+)?{_DOCUMENTS}\s+for\s+(?P<query>.+)$", build.search_files),
    (r"(?:search|look|hunt)\s+(?:for\s+)?(?P<query>.+)$", build.search),
    # summarise PLACE; read FILE; open PLACE
    (r"(?:summari[sz]e|sum up|give me a summary of|(?:write|make) a summary of)\s*(?P<rest>.*)$", build.summarise),
    (r"(?:read|print|cat|display|show|show me)\s+(?P<rest>.+)$", build.read),
    (r"(?:look at|check out|have a look at|see|show me|show|check)\s+(?P<rest>.+)$", build.show_places),
    (r"(?:open|go to|goto|go|visit|navigate to|browse to|browse|load)\s+(?:up\s+)?(?P<rest>.+)$", build.open_places),
    (rf"(?P<rest>{URL}(?:[\s,]*(?:and\s+)?{URL})*)$", build.show_places),
    # log in to PLACE as USER with password PASSWORD
    (r"(?:log|sign)\s?(?:in|on)(?:\s+(?:to|at|on)\s+(?P<place>.+?))?\s+as\s+(?P<user>\S+)\s+with\s+(?:the\s+)?password\s+"
     r"(?P<password>\S+)$", build.log_in),
    # in PLACE, ...
    (r"(?:in|on|at|from|using)\s+.+$", build.go_to_place),
    # tell me ..., what ..., how much ...
    (r"(?:tell|say|report|answer|give|get|fetch|extract|find|check|note|let me know|look up|list|show|what|what's|how|who|when|"
     r"where|which|is|are|does|do|did|can|has|have)\b.*$", build.ask),
    (r"(?:(?:the\s+)?(?:prices?|costs?|title|headings?)\b.*|.+\s(?:prices?|costs?))$", build.ask),
)  # fmt: skip
