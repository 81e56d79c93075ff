"""What was found, as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.bench.peers.contest import Found

HEADINGS = (
    "Sessions",
    "Server",
    "First token, p50",
    "p99",
    "Delay of a token, p50",
    "p99",
    "Time over the model's",
    "Server CPU, 1,000 tokens",
    "CPU over ours",
    "Memory (RSS)",
)


def to_markdown(results: Mapping[int, Mapping[str, Found]], ours: str) -> str:
    """One line for each server at each number of sessions; `ours` is the name that others' CPU is compared with."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "| ---: | --- |" + " ---: |" * (len(HEADINGS) - 2)]
    for sessions, by_server in results.items():
        base = by_server[ours]
        for name, found in by_server.items():
            cells = (str(sessions), name, *(_figures(found, base) if found.cpu_ms else _failed(found)))
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _figures(found: Found, base: Found) -> tuple[str, ...]:
    serves = found.rss > 0
    return (
        f"{_number(found.first_token(50))} ms",
        f"{_number(found.first_token(99))} ms",
        f"{_number(found.delay(50))} ms",
        f"{_number(found.delay(99))} ms",
        f"{found.over_pace:.2f}x{_shortcomings(found)}",
        f"{_number(found.cpu)} ms" if serves else "",
        f"{_number(found.cpu / base.cpu)}x" if serves and base.cpu_ms else "",
        f"{found.rss:.0f} MiB" if serves else "",
    )


def _shortcomings(found: Found) -> str:
    lost = f"{100 * found.lost / (found.lost + found.tokens):.0f}% of tokens lost" if found.lost else ""
    told = "; ".join(filter(None, (lost, found.failure)))
    return f" ({told})" if told else ""


def _failed(found: Found) -> tuple[str, ...]:
    return (found.failure, *[""] * (len(HEADINGS) - 3))


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
