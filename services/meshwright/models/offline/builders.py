"""From a phrasing to its actions: one function for each kind of instruction in the grammar's table."""

from __future__ import annotations

import re
from collections.abc import Sequence

from meshwright.models.offline import plan
from meshwright.models.offline.clauses import QUOTED, Clause
from meshwright.models.offline.places import Places, file_paths, looks_like_file, unquoted_url
from meshwright.models.offline.plan import Action
from meshwright.models.offline.question import PRONOUNS, parse_question, split_things

_FINDINGS = re.compile(
    r"^(?:(?:the |your |all (?:the )?)?(?:answers?|results?|findings?|output|comparison)|it|that|this|them|what you (?:find|found))$",
    re.I,
)
_ASKED = re.compile(
    r"^(?:what|how|who|when|where|which|(?:the|a|all|its) (?:prices?|costs?|title|summary|heading|list|names?)\b)", re.I
)


def open_places(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    """Addresses, the demo shop and files are opened; anything else is a link of the page."""
    if named := show_places(clause, match, places):
        return named
    target = re.sub(
        r"^(?:the|a|to)\s+|\s+(?:page|link|section|tab)$", "", clause.plain(match["rest"]), flags=re.IGNORECASE
    )
    return [plan.Follow(target)] if target and not PRONOUNS.match(target) else []


def show_places(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    """Addresses, the demo shop and files are opened."""
    rest = match["rest"]
    urls = clause.urls(rest) or [url for word in re.split(r"[\s,]+", rest) if (url := unquoted_url(word))]
    if urls:
        return [plan.Open(url) for url in urls]
    if paths := file_paths(clause, rest):
        return [plan.ReadFile(path) for path in paths]
    if shop := places.shop_in(rest):
        beyond = re.sub(r"\b(?:page|section|of|in|on|at|the|and|'s)\b", " ", shop.rest).strip(" ,")
        return [plan.Open(shop.url), plan.Follow(clause.plain(beyond))] if beyond else [plan.Open(shop.url)]
    return []


def read(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    """Files are read; of a page the beginning is told."""
    rest = match["rest"]
    if urls := clause.urls(rest):
        return [*(plan.Open(url) for url in urls), plan.Ask(parse_question("summarise"))]
    if paths := file_paths(clause, rest, any_word=bool(re.search(r"\bfiles?\b", rest, re.IGNORECASE))):
        return [plan.ReadFile(path) for path in paths]
    return [plan.Ask(parse_question("summarise"))] if re.match(r"(?:it|(?:the|this) page|this)$", rest, re.I) else []


def summarise(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    """The beginning of what is named, or of what is open."""
    rest = match["rest"] or ""
    gathered: list[Action] = [
        *(plan.Open(url) for url in clause.urls(rest)),
        *(plan.ReadFile(path) for path in file_paths(clause, rest)),
    ]
    if not gathered and (shop := places.shop_in(rest)):
        gathered.append(plan.Open(shop.url))
    return [*gathered, plan.Ask(parse_question("summarise"))]


def list_files(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    """A folder's files."""
    path = clause.plain(match["path"] or "")
    return [plan.ListFiles("" if path in (".", "workspace") else path)]


def search_files(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    """A search in the documents."""
    return [plan.SearchFiles(clause.plain(match["query"]))]


def search(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    """A search in the shop or on the page, where there is one, or else in the documents."""
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


def grep(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    """A search in a file."""
    path = clause.plain(match["path"])
    if not (looks_like_file(path) or path.endswith("/")):
        return []
    return [plan.Grep(clause.plain(match["pattern"]), path)]


def write(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    """A text, the answer to a question, or all findings go to a file."""
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


def click(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    """A control of the page."""
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


def submit(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    """The form that was just filled in is submitted."""
    return [plan.Click("submit")]


def type_text(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    """A text goes into a field; "A into B and C into D" is two of them."""
    first, *more = re.split(r"\s+and\s+(?=.+?\s+into\s)", match["target"], maxsplit=1, flags=re.IGNORECASE)
    typed = plan.Type(clause.plain(match["text"]), _field_name(clause.plain(first)))
    again = re.match(r"(?P<text>.+?)\s+into\s+(?P<target>.+)$", more[0], re.IGNORECASE) if more else None
    return [typed, *type_text(clause, again, places)] if again else [typed]


def _field_name(text: str) -> str:
    text = re.sub(r"^(?:the|a|my|your)\s+", "", text, flags=re.IGNORECASE)
    return re.sub(r"\s+(?:field|box|input|bar|list|menu|dropdown)$", "", text, flags=re.IGNORECASE)


def log_in(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    """The sign-in form is found and filled in."""
    _, gathered = places.gathered(clause, match["place"] or "")
    return [
        *gathered,
        plan.Follow("sign in", unless_field="password"),
        plan.Type(clause.plain(match["user"]), "user name"),
        plan.Type(clause.plain(match["password"]), "password", submit=True),
    ]


def go_to_place(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    """A place that what follows is about."""
    return places.gathered(clause, match[0])[1]


def select(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    """An option of a list is chosen."""
    target = _field_name(clause.plain(match["target"] or ""))
    return [plan.Select(re.sub(r"^the\s+", "", clause.plain(match["option"]), flags=re.IGNORECASE), target)]


def go_back(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    """The browser's way back."""
    return [plan.GoBack()]


def screenshot(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    """Pictures of pages."""
    rest = match["rest"] or ""
    urls = clause.urls(rest) or ([shop.url] if (shop := places.shop_in(rest)) and not places.at_shop else [])
    if not urls:
        return [plan.Screenshot()]
    return [action for url in urls for action in (plan.Open(url), plan.Screenshot())]


def compare(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    """Things or pages are set side by side."""
    rest, gathered = places.gathered(clause, match["rest"])
    rest = re.sub(
        r"^(?:(?:the|all|me)\s+)*(?:prices?|costs?)(?:\s+(?:of|for|between|on))?\s*", "", rest, flags=re.IGNORECASE
    )
    rest = re.sub(r"\s+(?:prices?|costs?|by price|in price)$", "", rest, flags=re.IGNORECASE)
    things = split_things(clause.plain(rest))
    if things and not gathered and not places.has_source:
        gathered = [plan.Open(places.demo_url)]
    return [*gathered, plan.Compare(things)]


def add_to_cart(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    """A thing of the shop goes into the cart."""
    thing = re.sub(r"^(?:the|a|an|one)\s+", "", clause.plain(match["thing"]), flags=re.IGNORECASE)
    opened = [] if places.has_source else [plan.Open(places.demo_url)]
    return [*opened, plan.Follow(thing), plan.Click("add to cart")]


def ask(clause: Clause, match: re.Match[str], places: Places) -> Sequence[Action]:
    """A question, with whatever has to be opened to answer it."""
    question, gathered = places.question(clause, clause.masked)
    if question.kind == "general" and not gathered and not places.has_source:
        return []
    return [*gathered, plan.Ask(question)]
