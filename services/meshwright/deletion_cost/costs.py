"""Which pod is to be told what: at once what decides who goes first, and the rest seldom."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

REPEAT_SECONDS = 30.0
"""A pod's cost is told anew so often, in case it is another now or somebody else has changed it. Not at each change: it is a write that the
API server tells all its watchers, and pods get and give back leases many times a minute."""


class _Told(NamedTuple):
    cost: int
    at: float


class Costs:
    """What each pod was told last."""

    def __init__(self) -> None:
        self._told: dict[str, _Told] = {}

    def due(self, leases: Mapping[str, int], now: float) -> dict[str, int]:
        """The costs that are to be told now: of pods that are new, have got their first lease, have given back their last one, or were told
        nothing for 30 s. `leases` are those of the pods that have said; `now` is of a clock that never goes back.
        """
        return {pod: leased for pod, leased in leases.items() if self._is_due(pod, leased, now)}

    def told(self, pod: str, cost: int, now: float) -> None:
        """The pod has this cost now."""
        self._told[pod] = _Told(cost, now)

    def keep(self, pods: Collection[str]) -> None:
        """Forget all others, which are gone."""
        self._told = {pod: told for pod, told in self._told.items() if pod in pods}

    def _is_due(self, pod: str, cost: int, now: float) -> bool:
        told = self._told.get(pod)
        return told is None or bool(cost) != bool(told.cost) or now - told.at >= REPEAT_SECONDS
