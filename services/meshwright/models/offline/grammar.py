"""The phrasings that the offline planner understands.

`GRAMMAR` is a table: the first pattern that fits a clause makes its actions. A pattern sees URLs and quotations as marks (`URL`, `QUOTED`),
so that what stands in them is never taken for an instruction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from meshwright.models.offline import plan
from meshwright.models.offline.clauses import QUOTED, URL, Clause, split_clauses
from meshwright.models.offline.places import Places, file_paths, looks_like_file, unquoted_url
from meshwright.models.offline.plan import Action, Step
from meshwright.models.offline.question import PRONOUNS, parse_question, split_things

Builder = Callable[[Clause, "re.Match[str]", Places], Sequence[Action]]

_FILE = rf"(?:{QUOTED}|[\w./~-]*[\w~-]\.\w{{1,8}}|(?:\.{{0,2}}/)?[\w.-]+/[\w./-]+)"
_FINDINGS = re.compile(
    r"^(?:(?:the |your |all (?:the )?)?(?:answers?|results?|findings?|output|comparison)|it|that|this|them|what you (?:find|found))$",
    re.I,
)
_ASKED = re.compile(
    r"^(?:what|how|who|when|where|which|(?:the|a|all|its) (?:prices?|costs?|title|summary|heading|list|names?)\b)", re.I
)


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
        for number, action in enumerate(actions):
            steps.append(Step(action, clause.ordered and number == 0))
            places.note(action)
    return steps


def _submits(actions: Sequence[Action]) -> bool:
    return len(actions) == 1 and actions[0] == plan.Click("submit")


def _actions(clause: Clause, places: Places) -> Sequence[Action]:
    for pattern, build in GRAMMAR:
        if (match := pattern.match(clause.masked)) and (actions := build(clause, match, places)):
            return actions
    return [plan.Unclear(clause.plain())]


def _open(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    rest = match["rest"]
    urls = clause.urls(rest) or [url for word in re.split(r"[\s,]+", rest) if (url := unquoted_url(word))]
    if urls:
        return [plan.Open(url) for url in urls]
    if shop := places.shop_in(rest):
        beyond = re.sub(r"\b(?:page|section|of|in|on|at|the|and|'s)\b", " ", shop.rest).strip(" ,")
        return [plan.Open(shop.url), plan.Follow(clause.plain(beyond))] if beyond else [plan.Open(shop.url)]
    if paths := file_paths(clause, rest):
        return [plan.ReadFile(path) for path in paths]
    target = re.sub(r"^(?:the|a|to)\s+|\s+(?:page|link|section|tab)$", "", clause.plain(rest), flags=re.IGNORECASE)
    return [plan.Follow(target)] if target and not PRONOUNS.match(target) else []


def _read(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    rest = match["rest"]
    if urls := clause.urls(rest):
        return [*(plan.Open(url) for url in urls), plan.Ask(parse_question("summarise"))]
    if paths := file_paths(clause, rest, any_word=bool(re.search(r"\bfiles?\b", rest, re.IGNORECASE))):
        return [plan.ReadFile(path) for path in paths]
    return [plan.Ask(parse_question("summarise"))] if re.match(r"(?:it|(?:the|this) page|this)$", rest, re.I) else []


def _summarise(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    rest = match["rest"] or ""
    gathered = [
        *(plan.Open(url) for url in clause.urls(rest)),
        *(plan.ReadFile(path) for path in file_paths(clause, rest)),
    ]
    if not gathered and (shop := places.shop_in(rest)):
        gathered.append(plan.Open(shop.url))
    return [*gathered, plan.Ask(parse_question("summarise"))]


def _list(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    return [plan.ListFiles(clause.plain(match["path"] or "") or ".")]


def _search_files(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    return [plan.SearchFiles(clause.plain(match["query"]))]


def _search(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    query = match["query"]
    if shop := places.shop_in(query):
        query = re.sub(r"^\s*for\s+", "", shop.rest).strip()
        opened = [] if places.at_shop else [plan.Open(shop.url)]
        return [*opened, plan.Type(clause.plain(query), "search", submit=True)] if query else []
    on_page = re.search(r"\s+(?:on|in)\s+(?:the|this)\s+(?:page|site|website)$|\s+there$", query, re.IGNORECASE)
    if on_page or places.on_a_page:
        text = query[: on_page.start()] if on_page else query
        return [plan.Type(clause.plain(text), "search", submit=True)]
    return [plan.SearchFiles(clause.plain(query))]


def _grep(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    path = clause.plain(match["path"])
    if not (looks_like_file(path) or path.endswith("/")):
        return []
    return [plan.Grep(clause.plain(match["pattern"]), path)]


def _write(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    path, what = clause.plain(match["path"]), match["what"].strip()
    what = re.sub(r"^(?:the\s+)?(?:text|words?|line|content)\s+(?=\ue000)", "", what, flags=re.IGNORECASE)
    if not looks_like_file(path) and not re.fullmatch(QUOTED, match["path"]):
        return []
    if re.fullmatch(QUOTED, what):
        return [plan.WriteFile(path, clause.plain(what))]
    if _FINDINGS.match(what):
        return [plan.WriteFile(path)]
    if _ASKED.match(what):
        question, gathered = places.question(clause, what)
        return [*gathered, plan.WriteFile(path, question=question)]
    return [plan.WriteFile(path, clause.plain(what))]


def _click(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    target = re.sub(r"^(?:on\s+)?(?:the\s+)?", "", match["rest"], flags=re.IGNORECASE)
    target = re.sub(
        r"^(?:button|link|tab)\s+(?:called|named|labell?ed|that says)?\s*(?=\S)", "", target, flags=re.IGNORECASE
    )
    target = clause.plain(target)
    return (
        [plan.Click("submit")]
        if re.fullmatch(r"(?:enter|return|submit)(?: key)?", target, re.IGNORECASE)
        else [plan.Click(target)]
    )


def _submit(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    return [plan.Click("submit")]


def _type(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    target = re.sub(r"^(?:the|a|my|your)\s+", "", clause.plain(match["target"]), flags=re.IGNORECASE)
    first, *more = re.split(r"\s+and\s+(?=.+?\s+into\s)", target, maxsplit=1, flags=re.IGNORECASE)
    typed = plan.Type(
        clause.plain(match["text"]), re.sub(r"\s+(?:field|box|input|bar)$", "", first, flags=re.IGNORECASE)
    )
    if not more:
        return [typed]
    again = re.match(r"(?P<text>.+?)\s+into\s+(?P<target>.+)$", more[0], re.IGNORECASE)
    return [typed, *_type(clause, again, places)] if again else [typed]


def _log_in(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    _, gathered = places.gathered(clause, match["place"] or "")
    return [
        *gathered,
        plan.Follow("sign in", unless_field="password"),
        plan.Type(clause.plain(match["user"]), "user name"),
        plan.Type(clause.plain(match["password"]), "password", submit=True),
    ]


def _place(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    return places.gathered(clause, match[0])[1]


def _screenshot(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    rest = match["rest"] or ""
    urls = clause.urls(rest) or ([shop.url] if (shop := places.shop_in(rest)) and not places.at_shop else [])
    if not urls:
        return [plan.Screenshot()]
    return [action for url in urls for action in (plan.Open(url), plan.Screenshot())]


def _compare(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    rest, gathered = places.gathered(clause, match["rest"])
    rest = re.sub(
        r"^(?:(?:the|all|me)\s+)*(?:prices?|costs?)(?:\s+(?:of|for|between|on))?\s*", "", rest, flags=re.IGNORECASE
    )
    rest = re.sub(r"\s+(?:prices?|costs?|by price|in price)$", "", rest, flags=re.IGNORECASE)
    things = split_things(clause.plain(rest))
    if things and not gathered and not places.has_source:
        gathered = [plan.Open(places.demo_url)]
    return [*gathered, plan.Compare(things)]


def _cart(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    thing = re.sub(r"^(?:the|a|an|one)\s+", "", clause.plain(match["thing"]), flags=re.IGNORECASE)
    opened = [] if places.has_source else [plan.Open(places.demo_url)]
    return [*opened, plan.Follow(thing), plan.Click("add to cart")]


def _ask(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    question, gathered = places.question(clause, clause.masked)
    if question.kind == "general" and not gathered and not places.has_source:
        return []
    return [*gathered, plan.Ask(question)]


def _table(*rows: tuple[str, Builder]) -> tuple[tuple[re.Pattern[str], Builder], ...]:
    return tuple((re.compile(pattern, re.IGNORECASE), build) for pattern, build in rows)


_DOCUMENTS = r"(?:(?:my|the|our|all|your|these)\s+)*(?:documents?|docs|workspace|files|folders?|notes|knowledge base)"

GRAMMAR: tuple[tuple[re.Pattern[str], Builder], ...] = _table(
    (r"(?:(?:take|make|grab|get|give me|show me|capture)\s+)?(?:an?\s+|the\s+)?(?:full[- ]page\s+)?screen\s?shots?(?:\s+(?:of|from)\s+(?P<rest>.+))?$", _screenshot),
    (r"compare\s+(?P<rest>.+)$", _compare),
    (r"(?:(?:tell me|say|find out)\s+)?(?:which|what)(?: one)? (?:is|costs?) (?:cheaper|more expensive|less|more)\b[,:]?\s*(?P<rest>.*)$", _compare),
    (r"(?:write|save|put|store)\s+(?P<what>.+)\s+(?:to|into|in|as)\s+(?:the\s+|a\s+)?(?:new\s+)?(?:file\s+)?(?:called\s+|named\s+)?"
     rf"(?P<path>{_FILE})$", _write),
    (rf"(?:create|make|write)\s+(?:to\s+)?(?:the\s+|a\s+)?(?:new\s+)?(?:file\s+)?(?:called\s+|named\s+)?(?P<path>{_FILE})\s*"
     r"(?:with|containing|that says|saying|:)\s*(?:the\s+)?(?:(?:text|contents?|words?)\s+)?(?P<what>.+)$", _write),
    (r"(?:type|enter|input|write|put)\s+(?P<text>.+?)\s+(?:into|in|to|as)\s+(?P<target>.+)$", _type),
    (r"fill\s+(?:in\s+|out\s+)?(?P<target>.+?)\s+with\s+(?P<text>.+)$", _type),
    (r"set\s+(?P<target>.+?)\s+to\s+(?P<text>.+)$", _type),
    (r"submit(?:\s+(?:it|the form|the search))?$|(?:press|hit)\s+(?:enter|return)$", _submit),
    (r"add\s+(?P<thing>.+?)\s+to\s+(?:the|my|your)\s+(?:shopping\s+)?(?:cart|basket|bag)$", _cart),
    (r"(?:click|tap|press|push|follow|hit)\s+(?P<rest>.+?)(?:\s+(?:button|link|tab))?$", _click),
    (r"(?:(?:list|show|show me|give me|what are|print)\s+)(?:all\s+)?(?:of\s+)?(?:the\s+|my\s+)?files?"
     r"(?:\s+(?:in|of|under)\s+(?:the\s+)?(?:folder\s+|directory\s+|workspace)?(?P<path>\S*))?$", _list),
    (r"(?:what|which) files (?:are|do)\b(?:.*\b(?:in|under)\s+(?:the\s+)?(?:folder\s+|workspace)?(?P<path>\S*))?.*$", _list),
    (r"(?:ls|list)(?:\s+(?:the\s+)?(?:folder\s+|directory\s+)?(?P<path>[\w.-]*/[\w./-]*|workspace|\.))?$", _list),
    (r"(?:grep|search|look|find)\s+(?:for\s+)?(?P<pattern>.+?)\s+in\s+(?:the\s+)?(?:files?\s+|folder\s+)?(?P<path>\S+)$", _grep),
    (r"(?:grep|search)\s+(?:the\s+)?(?:file\s+|folder\s+)?(?P<path>\S+)\s+for\s+(?P<pattern>.+)$", _grep),
    (rf"(?:search|look|hunt|find)(?:\s+for)?\s+(?P<query>.+?)\s+(?:in|within|across|through)\s+{_DOCUMENTS}$", _search_files),
    (rf"(?:search|look)\s+(?:in\s+|through\s+)?{_DOCUMENTS}\s+for\s+(?P<query>.+)$", _search_files),
    (r"(?:search|look|hunt)\s+(?:for\s+)?(?P<query>.+)$", _search),
    (r"(?:summari[sz]e|sum up|give me a summary of|(?:write|make) a summary of)\s*(?P<rest>.*)$", _summarise),
    (r"(?:read|print|cat|display|show|show me)\s+(?P<rest>.+)$", _read),
    (r"(?:open|go to|goto|go|visit|navigate to|browse to|browse|load|look at|check out|have a look at|see|show me|show|check)\s+"
     r"(?:up\s+)?(?P<rest>.+)$", _open),
    (r"(?:log|sign)\s?(?:in|on)(?:\s+(?:to|at|on)\s+(?P<place>.+?))?\s+as\s+(?P<user>\S+)\s+with\s+(?:the\s+)?password\s+"
     r"(?P<password>\S+)$", _log_in),
    (r"(?:in|on|at|from|using)\s+.+$", _place),
    (rf"(?P<rest>{URL}(?:[\s,]*(?:and\s+)?{URL})*)$", _open),
    (r"(?:tell|say|report|answer|give|get|fetch|extract|find|check|note|let me know|look up|list|show|what|what's|how|who|when|where|"
     r"which|is|are|does|do|did|can|has|have)\b.*$", _ask),
    (r"(?:the\s+)?(?:prices?|costs?|title|headings?)\b.*$", _ask),
)  # fmt: skip
