"""Fitting the text of a page into its budget: what is in view comes first."""

from __future__ import annotations

import re
from dataclasses import dataclass

# A node's line: indent and role, with a name that may be quoted, then attributes such as [ref=e5] [box=0,0,80,20].
_NODE = re.compile(r"""( *- '?[\w/]+(?: "(?:[^"\\]|\\.)*")?)((?: \[[^\]\n]*\])*)""")
_BOX = re.compile(r" \[box=(-?[\d.]+),(-?[\d.]+),(-?[\d.]+),(-?[\d.]+)\]")
GAP = "# ..."
MARKER_BYTES = 112


@dataclass(frozen=True, slots=True)
class Fitted:
    """A snapshot's text within its budget."""

    text: str
    truncated: bool
    total_bytes: int
    """Of the whole text."""


@dataclass(slots=True)
class _Line:
    text: str
    size: int
    depth: int
    parent: int
    in_view: bool
    framed_away: bool
    """In a frame that is not in view: boxes in it are relative to the frame."""


def fit(boxed: str, max_bytes: int, width: float, height: float) -> Fitted:
    """The text of a snapshot that was taken with boxes, without them and within `max_bytes`.

    Of a text that is too long, what lies in a viewport of that width and height is kept first, then what follows it, then
    the rest, always with the lines that contain it. A last line says that something was left out, and `# ...` says where.
    """
    lines = _parse(boxed, width, height)
    total = sum(line.size for line in lines) - 1 if lines else 0
    if total <= max_bytes:
        return Fitted("\n".join(line.text for line in lines), truncated=False, total_bytes=total)
    kept = _choose(lines, max_bytes - MARKER_BYTES)
    marker = f"# Left out at `{GAP}`: the page has {total} bytes. Take a snapshot under a ref, or scroll."
    return Fitted("\n".join([*_with_gaps(lines, kept), marker]), truncated=True, total_bytes=total)


def _parse(boxed: str, width: float, height: float) -> list[_Line]:
    lines: list[_Line] = []
    ancestors: list[int] = []
    for number, raw in enumerate(boxed.encode("utf-8", "replace").decode().splitlines()):
        text, in_view = _unboxed(raw, width, height)
        depth = (len(text) - len(text.lstrip(" "))) // 2
        parent = ancestors[min(depth, len(ancestors)) - 1] if depth and ancestors else -1
        framed_away = parent >= 0 and lines[parent].framed_away
        if in_view is None:
            in_view = parent >= 0 and lines[parent].in_view
        in_view = in_view and not framed_away
        framed_away = framed_away or (not in_view and text.lstrip(" ").startswith("- iframe"))
        del ancestors[depth:]
        ancestors.append(number)
        lines.append(_Line(text, len(text.encode()) + 1, depth, parent, in_view, framed_away))
    return lines


def _unboxed(raw: str, width: float, height: float) -> tuple[str, bool | None]:
    """A line without its box, and whether that is in view; None for a line that has none."""
    node = _NODE.match(raw)
    box = _BOX.search(node.group(2)) if node else None
    if node is None or box is None:
        return raw, None
    x, y, wide, high = map(float, box.groups())
    in_view = x < width and y < height and x + wide > 0 and y + high > 0 and wide * high > 0
    start = node.end(1) + box.start()
    return raw[:start] + raw[start + len(box.group(0)) :], in_view


def _choose(lines: list[_Line], budget: int) -> set[int]:
    in_view = [number for number, line in enumerate(lines) if line.in_view]
    first = next((number for number in in_view if _is_leaf(lines, number)), 0)
    kept: set[int] = set()
    left = budget
    for number in (*in_view, *range(first, len(lines)), *range(first)):
        missing = []
        at = number
        while at >= 0 and at not in kept:
            missing.append(at)
            at = lines[at].parent
        # Each line may open a gap behind it.
        cost = sum(lines[each].size + _gap_size(lines[each].depth) for each in missing)
        if cost > left:
            break
        kept.update(missing)
        left -= cost
    return kept


def _is_leaf(lines: list[_Line], number: int) -> bool:
    return number + 1 == len(lines) or lines[number + 1].depth <= lines[number].depth


def _with_gaps(lines: list[_Line], kept: set[int]) -> list[str]:
    shown: list[str] = []
    skipping = False
    for number, line in enumerate(lines):
        if number in kept:
            shown.append(line.text)
            skipping = False
        elif not skipping:
            shown.append(" " * min(2 * line.depth, 2 * lines[number - 1].depth + 2 if number else 0) + GAP)
            skipping = True
    return shown


def _gap_size(depth: int) -> int:
    return 2 * depth + 2 + len(GAP) + 1
