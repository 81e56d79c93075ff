"""Where Markdown that is still being written can be cut."""

from __future__ import annotations

FENCES = ("```", "~~~")


def split_finished(text: str) -> tuple[str, str]:
    """The blocks that cannot change any more, and the rest. A blank line ends a block, but not inside a code fence."""
    fence = ""
    cut = position = 0
    for line in text.splitlines(keepends=True):
        start = line.lstrip()[:3]
        if fence:
            if start == fence:
                fence = ""
        elif start in FENCES:
            fence = start
        elif not line.strip() and line.endswith("\n"):
            cut = position + len(line)
        position += len(line)
    return text[:cut], text[cut:]


def tail(text: str, width: int, rows: int) -> str:
    """The end of a text that fits into so many rows of a terminal, or the whole text where all of it fits."""
    lines = text.splitlines()[-rows:]
    kept: list[str] = []
    for line in reversed(lines):
        rows -= max(1, -(-len(line) // width))
        if rows < 0:
            if not kept:
                kept.append(line[-width:])
            break
        kept.append(line)
    return "\n".join(reversed(kept))
