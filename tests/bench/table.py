"""What the benchmarks found, as one table: a figure of ours, the same figure of what a user would otherwise do, their ratio, the budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

HEADINGS = ("What", "Meshwright", "on Redis", "Beside it", "Ratio", "Budget", "Met")


class Beside(NamedTuple):
    """The same figure of an alternative, measured in the same run."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Row:
    """One figure."""

    what: str
    ours: float
    unit: str
    beside: tuple[Beside, ...] = ()
    budget: float | None = None
    more_is_better: bool = False
    note: str = ""
    """Something short that belongs to the figure."""
    on_redis: float | None = None
    """The same figure with the shared store; ours is with the embedded one. None where the store makes no difference."""

    @property
    def met(self) -> bool | None:
        """Whether all our figures keep the budget; None without one."""
        return None if self.budget is None else all(map(self._keeps, self._figures))

    @property
    def _figures(self) -> tuple[float, ...]:
        return (self.ours,) if self.on_redis is None else (self.ours, self.on_redis)

    def _keeps(self, figure: float) -> bool:
        if self.budget is None:
            return True
        return figure >= self.budget if self.more_is_better else figure <= self.budget

    def _verdict(self) -> str:
        if self.budget is None:
            return ""
        said = ["yes" if self._keeps(figure) else "no" for figure in self._figures]
        return said[0] if len(set(said)) == 1 else ", ".join(said)

    def cells(self) -> tuple[str, ...]:
        """One text for each heading; alternatives are lines."""
        sign = "≥" if self.more_is_better else "≤"
        return (
            self.what,
            _quantity(self.ours, self.unit) + (f" ({self.note})" if self.note else ""),
            "" if self.on_redis is None else _quantity(self.on_redis, self.unit),
            "\n".join(f"{_quantity(value, self.unit)} {name}" for name, value in self.beside),
            "\n".join(f"{_number(self.ours / value)}x" if value else "" for _, value in self.beside),
            "" if self.budget is None else f"{sign} {_quantity(self.budget, self.unit)}",
            self._verdict(),
        )


@dataclass(frozen=True, slots=True)
class Section:
    """The rows of one benchmark."""

    name: str
    method: str
    """How it was measured, in one paragraph."""
    rows: tuple[Row, ...]


def to_terminal(sections: Iterable[Section]) -> Table:
    """The table for a person's terminal."""
    table = Table(header_style="bold")
    for heading in HEADINGS:
        table.add_column(
            heading, justify="right" if heading in {"Meshwright", "on Redis", "Ratio", "Budget"} else "left"
        )
    for section in sections:
        for row in section.rows:
            table.add_row(*row.cells(), style={None: "", True: "green", False: "yellow"}[row.met])
        table.add_section()
    return table


def to_markdown(sections: Iterable[Section]) -> str:
    """The table as Markdown."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "| --- | ---: | ---: | --- | ---: | ---: | --- |"]
    for section in sections:
        lines += ["| " + " | ".join(row.cells()).replace("\n", "<br>") + " |" for row in section.rows]
    return "\n".join(lines)


def _quantity(value: float, unit: str) -> str:
    return f"{_number(value)}{unit if unit == 'x' else f' {unit}'}"


def _number(value: float) -> str:
    """Three significant digits, which is more than a shared machine can promise."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
