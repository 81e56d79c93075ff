"""The one list of what a feature flag can switch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from meshwright.serving.rules import MODEL as MODEL_RULE

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value", bool, int, str)

PREFIX = "meshwright."
"""What the keys of our flags begin with, in a source that may have those of others too."""
TYPES = {bool: "boolean", int: "integer", str: "string"}


def anything(_: object) -> str:
    """No bounds."""
    return ""


def between(low: int, high: int) -> Callable[[int], str]:
    """Bounds of a number, both included."""
    return lambda value: "" if low <= value <= high else f"{value} is not between {low:,} and {high:,}"


def text(most: int) -> Callable[[str], str]:
    """Bounds of a string in characters; empty is refused."""
    return lambda value: "" if 1 <= len(value.strip()) <= most else f"it has not 1 to {most:,} characters"


@dataclass(frozen=True, slots=True)
class Flag(Generic[Value]):
    """One switch. Its key names the setting whose place it takes for the runs that it is on for."""

    key: str
    type: type[Value]
    meaning: str
    bounds: Callable[[Value], str]
    """What is wrong with a value, or empty."""

    @property
    def type_name(self) -> str:
        """The type, as flagd calls it."""
        return TYPES[self.type]

    def problem(self, value: Any) -> str:
        """What is wrong with a value, or empty."""
        if type(value) is not self.type:
            return f"it is no {self.type_name}"
        return self.bounds(value)


MODEL = Flag(
    "meshwright.model",
    str,
    "Model of runs that name none in sessions that name none; without it MESHWRIGHT_MODEL. For moving gradually from one model to another.",
    text(MODEL_RULE.max_chars),
)
MAX_STEPS = Flag(
    "meshwright.max_steps",
    int,
    "Model steps of a run at most, 1 to 200, in the place of MESHWRIGHT_MAX_STEPS; a run may still ask for fewer.",
    between(1, 200),
)
HISTORY_BUDGET = Flag(
    "meshwright.history_budget",
    int,
    "Characters of conversation that a model is sent, 10,000 to 10,000,000, in the place of MESHWRIGHT_HISTORY_BUDGET.",
    between(10_000, 10_000_000),
)
DELEGATION = Flag(
    "meshwright.delegation",
    bool,
    "Whether the run may have sub-agents, as deep as MESHWRIGHT_MAX_DELEGATION_DEPTH says; false turns them off.",
    anything,
)
APPROVALS = Flag(
    "meshwright.approvals",
    str,
    "Which tool calls wait for a person, in the place of MESHWRIGHT_APPROVALS and in its form: `annotated`, `destructive`, `none`, or "
    "names of tools, with commas; at most 1,000 characters.",
    text(1_000),
)

AnyFlag = Flag[bool] | Flag[int] | Flag[str]

FLAGS: tuple[AnyFlag, ...] = (MODEL, MAX_STEPS, HISTORY_BUDGET, DELEGATION, APPROVALS)
"""All of them."""
BY_KEY = {flag.key: flag for flag in FLAGS}
