"""Reading the ARIA snapshot of a page.

A snapshot is an outline: a line `- role "name" [attribute] [ref=e12]: text` for each element, its children indented below it, and
lines `- /url: ...` for its properties. It is read line by line rather than as YAML, so that one that was cut at its budget still reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from meshwright.models.offline.tokens import word_set

_LINE = re.compile(r"^(?P<indent> *)- (?P<rest>.*)$")
_HEAD = re.compile(
    r"""^(?P<role>/?[a-z]+)(?:\s+(?P<name>"(?:[^"\\]|\\.)*"|/(?:[^/\\]|\\.)*/))?(?P<attributes>(?:\s+\[[^\]]*\])*)(?::\s*(?P<text>.*))?$"""
)
_ATTRIBUTE = re.compile(r"\[([\w-]+)(?:=([^\]]*))?\]")
INTERACTIVE = word_set(
    "button link checkbox radio tab menuitem option combobox switch textbox searchbox spinbutton slider"
)
FIELDS = word_set("textbox searchbox spinbutton combobox slider")


@dataclass(slots=True)
class Node:
    """An element, or a piece of text (role `text`)."""

    role: str
    name: str = ""
    text: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)

    @property
    def ref(self) -> str:
        """What actions on the element name it by; empty when it has none."""
        return self.attributes.get("ref", "")

    @property
    def label(self) -> str:
        """The element's name, or else its text."""
        return self.name or self.text or " ".join(child.label for child in self.children if child.label)

    def walk(self) -> Iterator[Node]:
        """The element and everything below it, in reading order."""
        yield self
        for child in self.children:
            yield from child.walk()


def parse_snapshot(snapshot: str) -> Node:
    """The outline as a tree under a node of the role `document`. Lines that are none of an outline are skipped."""
    root = Node("document")
    open_nodes: list[tuple[int, Node]] = [(-1, root)]
    for line in snapshot.splitlines():
        match = _LINE.match(line)
        if match is None or (node := _parse_node(match["rest"])) is None:
            continue
        indent = len(match["indent"])
        while open_nodes[-1][0] >= indent:
            open_nodes.pop()
        parent = open_nodes[-1][1]
        if node.role.startswith("/"):
            parent.properties[node.role[1:]] = node.text
            continue
        parent.children.append(node)
        open_nodes.append((indent, node))
    return root


def _parse_node(rest: str) -> Node | None:
    if rest.startswith("'"):
        # YAML quotes the whole key where the name has a colon in it: 'link "a: b" [ref=e3]': text
        key, _, after = rest[1:].replace("''", "\0").partition("'")
        rest = (key + after).replace("\0", "'")
    match = _HEAD.match(rest)
    if match is None:
        return None
    attributes = dict(_ATTRIBUTE.findall(match["attributes"] or ""))
    return Node(match["role"], _unquote(match["name"] or ""), _unquote((match["text"] or "").strip()), attributes)


def _unquote(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        try:
            return str(json.loads(value))
        except json.JSONDecodeError:
            return value[1:-1]
    if len(value) >= 2 and value[0] == value[-1] == "'":
        return value[1:-1].replace("''", "'")
    return value
