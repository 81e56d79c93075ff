"""What a PromQL expression asks for, by the grammar of Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import promql_parser

COUNTED = {"rate", "irate", "increase"}
"""Functions that are for counters only."""
VARIABLES = {"$__rate_interval": "5m"}
"""Grafana's own durations."""


@dataclass(frozen=True)
class Asked:
    """A metric that an expression asks for."""

    name: str
    labels: dict[str, str] = field(hash=False)
    """What its labels are compared with."""
    functions: tuple[str, ...]
    """What is called with it, the innermost last."""

    @property
    def is_counted(self) -> bool:
        """Whether it is taken for a counter."""
        return bool(COUNTED & set(self.functions))


def asked(expression: str) -> list[Asked]:
    """The metrics of an expression. Raises ValueError where Prometheus would not take it."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return list(_asked(promql_parser.parse(expression), ()))


def grouped_by(expression: str) -> set[str]:
    """All labels that an expression groups by."""
    found: set[str] = set()

    def look(node: Any) -> None:
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            found.update(node.modifier.labels)
        for child in _children(node):
            look(child)

    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    look(promql_parser.parse(expression))
    return found


def _asked(node: Any, functions: tuple[str, ...]) -> Iterator[Asked]:
    if isinstance(node, promql_parser.VectorSelector):
        assert node.name is not None, "a selector without a name"
        yield Asked(node.name, {it.name: it.value for it in node.matchers.matchers}, functions)
    if isinstance(node, promql_parser.Call):
        functions = (*functions, node.func.name)
    for child in _children(node):
        yield from _asked(child, functions)


def _children(node: Any) -> list[Any]:
    match node:
        case promql_parser.Call():
            return list(node.args)
        case promql_parser.MatrixSelector():
            return [node.vector_selector]
        case promql_parser.BinaryExpr():
            return [node.lhs, node.rhs]
        case (
            promql_parser.AggregateExpr()
            | promql_parser.ParenExpr()
            | promql_parser.UnaryExpr()
            | promql_parser.SubqueryExpr()
        ):
            return [node.expr]
        case _:
            return []
