"""Fractions in the rules of a flag. The evaluator takes one that is wrong for none at all, without a word, so they are checked before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

OPERATOR = "fractional"


def variant_name(named: Any) -> Any:
    """The variant that is named so: true and false stand for those of these names."""
    return str(named).lower() if isinstance(named, bool) else named


def wrong_fractions(rule: Any, variants: Collection[str]) -> Iterator[str]:
    """What is wrong with the fractions anywhere in a rule."""
    if isinstance(rule, dict):
        for operator, operands in rule.items():
            if operator == OPERATOR:
                yield from _problems(operands, variants)
            yield from wrong_fractions(operands, variants)
    elif isinstance(rule, list):
        for part in rule:
            yield from wrong_fractions(part, variants)


def _problems(operands: Any, variants: Collection[str]) -> Iterator[str]:
    """Those of one fraction: what to throw the dice by, unless it is left out, then pairs of variant and weight."""
    parts = operands if isinstance(operands, list) else []
    shares = parts if parts and isinstance(parts[0], list) else parts[1:]
    if not shares:
        yield f"{OPERATOR} has no shares"
    total = 0
    for share in shares:
        if problem := _problem(share, variants):
            yield f"{OPERATOR}: {share} {problem}"
        else:
            total += share[1] if len(share) == 2 else 1
    if shares and total == 0:
        yield f"{OPERATOR}: all shares are 0"


def _problem(share: Any, variants: Collection[str]) -> str:
    if not isinstance(share, list) or not 1 <= len(share) <= 2:
        return "is no pair of variant and weight"
    if not isinstance(share[0], str | bool) or variant_name(share[0]) not in variants:
        return "names none of the variants"
    if len(share) == 2 and (type(share[1]) is not int or share[1] < 0):
        return "has a weight that is no whole number"
    return ""
