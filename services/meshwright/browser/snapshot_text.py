"""Fitting the text of a page into its budget."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fitted:
    """A snapshot's text within its budget."""

    text: str
    truncated: bool
    total_bytes: int


def fit(text: str, max_bytes: int) -> Fitted:
    """The text, cut at the end of a line to at most `max_bytes` with a last line that says so."""
    data = text.encode("utf-8", "replace")
    if len(data) <= max_bytes:
        return Fitted(data.decode(), truncated=False, total_bytes=len(data))
    marker = f"# Cut here: {max_bytes} of {len(data)} bytes. Take a snapshot of a part by its ref for the rest."
    kept = data[: max(max_bytes - len(marker) - 1, 0)]
    kept = kept[: kept.rfind(b"\n") + 1]
    return Fitted((kept + marker.encode()).decode(), truncated=True, total_bytes=len(data))
