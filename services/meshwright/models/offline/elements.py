"""Which element of a page is meant by a name."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urldefrag, urljoin, urlsplit

from meshwright.models.offline.pages import Page
from meshwright.models.offline.question import asked_stems
from meshwright.models.offline.snapshot import FIELDS, INTERACTIVE, Node
from meshwright.models.offline.tokens import found_in, stems

CLEAR = 0.6
"""The share of a name's words that an element must have."""
_OTHER_NAMES = {"login": "sign in", "log in": "sign in", "sign in": "log in", "basket": "cart", "cart": "basket"}
_UNTOLD = frozenset(stems("the a an my button link field box"))
"""What is said of an element besides its name."""
_SUBMIT_NAMES = ("submit", "search", "sign in", "log in", "continue", "send", "save", "place order", "order", "ok")


def find_clickable(page: Page, target: str) -> Node | None:
    """The button, link or other control that is called so."""
    if target == "submit":
        return _submit_button(page)
    return _best(page, target, INTERACTIVE - {"textbox", "searchbox"}) or _best(page, target, INTERACTIVE | {"generic"})


def find_field(page: Page, target: str) -> Node | None:
    """The field that is called so; the only one of the page when the name is as vague as "the box"."""
    fields = [node for node in page.root.walk() if node.role in FIELDS and node.ref]
    if target.lower() == "search" and (boxes := [node for node in fields if node.role == "searchbox"]):
        return boxes[0]
    found = _best(page, target, FIELDS)
    return found or (fields[0] if len(fields) == 1 and target.lower() in ("it", "box", "field", "search") else None)


def find_option(page: Page, option: str, target: str) -> tuple[Node, Node] | None:
    """The list and its option that are called so; any list that has the option when `target` is empty."""
    best: tuple[float, Node, Node] | None = None
    for box in (node for node in page.root.walk() if node.role in ("combobox", "listbox") and node.ref):
        if target and not found_in(stems(target), stems(box.label)):
            continue
        for choice in (node for node in box.walk() if node.role == "option"):
            wanted = stems(option)
            share = len(found_in(wanted, stems(choice.label))) / max(len(wanted), 1)
            score = share - 0.02 * len(stems(choice.label))
            if share >= CLEAR and (best is None or score > best[0]):
                best = (score, box, choice)
    return None if best is None else best[1:]


def find_link(page: Page, target: str, least: float = CLEAR, visited: Collection[str] = ()) -> tuple[str, str] | None:
    """The name and address of the link within the same site that fits best, none of those visited."""
    return next((link for name in _names(target) if (link := _best_link(page, name, least, visited))), None)


def _best_link(page: Page, target: str, least: float, visited: Collection[str]) -> tuple[str, str] | None:
    wanted = asked_stems(target) or stems(target)
    best: tuple[float, str, str] | None = None
    for node in page.root.walk():
        if node.role != "link" or "url" not in node.properties:
            continue
        url = urljoin(page.url, node.properties["url"])
        if urldefrag(url)[0] in visited or urlsplit(url).netloc != urlsplit(page.url).netloc:
            continue
        words = stems(f"{node.label} {urlsplit(url).path}")
        share = len(found_in(wanted, words)) / max(len(wanted), 1)
        score = share - 0.01 * len(stems(node.label))
        if share >= least and (best is None or score > best[0]):
            best = (score, node.label, url)
    return None if best is None else best[1:]


def _names(target: str) -> list[str]:
    other = _OTHER_NAMES.get(target.casefold())
    return [target] if other is None else [target, other]


def _best(page: Page, target: str, roles: Collection[str]) -> Node | None:
    wanted = [stem for stem in stems(target) if stem not in _UNTOLD] or stems(target)
    best: tuple[float, Node] | None = None
    for node in page.root.walk():
        if node.role not in roles or not node.ref or (node.role == "generic" and "cursor" not in node.attributes):
            continue
        label = " ".join(filter(None, (node.label, node.properties.get("placeholder", ""))))
        words = stems(label)
        share = len(found_in(wanted, words)) / max(len(wanted), 1)
        if label.casefold().strip() == target.casefold().strip():
            share = 2.0
        score = share - 0.02 * len(words) - (0.5 if "disabled" in node.attributes else 0)
        if share >= CLEAR and (best is None or score > best[0]):
            best = (score, node)
    return None if best is None else best[1]


def _submit_button(page: Page) -> Node | None:
    forms = [node for node in page.root.walk() if node.role == "form"]
    buttons = [node for form in forms for node in form.walk() if node.role == "button" and node.ref]
    if buttons:
        return buttons[-1]
    return next((found for name in _SUBMIT_NAMES if (found := _best(page, name, {"button"}))), None)
