"""The weights that somebody asks for, with those of before: what `traffic.json` holds, in a file or in a ConfigMap."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from meshwright.gateway.traffic import Traffic, TrafficError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_HISTORY = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """The content."""

    canary_weight: int = 0
    revision: int = 0
    since: float = 0.0
    """When it was asked for, in Unix seconds; 0 when nobody noted it."""
    history: tuple[int, ...] = ()
    """The canary's former weights, the latest last; a rollback takes that away."""

    @property
    def traffic(self) -> Traffic:
        """Without the history."""
        return Traffic(self.canary_weight, self.revision)

    def changed_to(self, canary_weight: int) -> Wanted:
        """What is wanted after somebody asked for this weight."""
        return self._next(canary_weight, (*self.history, self.canary_weight)[-MAX_HISTORY:])

    def rolled_back(self) -> Wanted:
        """What is wanted after somebody asked for the weight of before. Raises TrafficError when there was none."""
        if not self.history:
            raise TrafficError("there is nothing to roll back to: the weights were never changed")
        return self._next(self.history[-1], self.history[:-1])

    def without(self, refused: Change) -> Wanted:
        """What is wanted after a change came to nothing: what was before it, unless another one came after it."""
        kept = self if self.revision != refused.wanted.revision else refused.former
        return self._next(kept.canary_weight, kept.history)

    def _next(self, canary_weight: int, history: tuple[int, ...]) -> Wanted:
        return Wanted(canary_weight, self.revision + 1, time.time(), history)


class Change(NamedTuple):
    """What was wanted, and what is wanted now."""

    former: Wanted
    wanted: Wanted


def begun_anew() -> Wanted:
    """What to change where nobody can read what was wanted; its revision was never used."""
    return Wanted(revision=int(time.time()))


def wanted_of(text: str, where: str, defaults: Mapping[str, Any] = MappingProxyType({})) -> Wanted:
    """What the text says, with `defaults` for what it leaves out. Raises TrafficError, which names `where`."""
    try:
        return _wanted({**defaults, **json.loads(text)})
    except KeyError as error:
        raise TrafficError(f"{where} does not hold weights: {error} is missing") from error
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise TrafficError(f"{where} does not hold weights: {error}") from error


def _wanted(content: dict[str, Any]) -> Wanted:
    wanted = Wanted(
        int(content["canary_weight"]),
        int(content["revision"]),
        float(content["since"]),
        tuple(map(int, content["history"])),
    )
    for weight in (wanted.canary_weight, *wanted.history):
        if not 0 <= weight <= 100:
            raise ValueError(f"{weight} is no percentage")
    return wanted
