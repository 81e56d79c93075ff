"""Looks at all browser pods every few seconds and tells Kubernetes what deleting each would cost.

Nothing is kept but what was told last: whatever is missed is made good by a later look.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NoReturn

import structlog

from meshwright.deletion_cost.costs import Costs
from meshwright.serving.kubernetes import API_ERRORS, cause_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from meshwright.deletion_cost.leases import Asker
    from meshwright.deletion_cost.pods import BrowserPods

log = structlog.get_logger(__name__)

AT_ONCE = 8


class Telling:
    """The work of the process; `mark` is a file that is there while it succeeds."""

    def __init__(self, pods: BrowserPods, asker: Asker, mark: Path | None) -> None:
        self._pods = pods
        self._asker = asker
        self._mark = mark
        self._costs = Costs()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._silent: frozenset[str] = frozenset()
        self._complaint = ""

    async def run(self, interval: float) -> NoReturn:
        """Look, with so many seconds between two looks, for ever."""
        if self._mark is not None:
            # Of a process before this one.
            self._mark.unlink(missing_ok=True)
        while True:
            self._conclude(await self._look())
            await asyncio.sleep(interval)

    async def _look(self) -> str:
        """Ask and tell once; why that could not be done, or empty."""
        try:
            pods = await self._pods.serving()
        except API_ERRORS as error:
            return f"the pods are not known: {cause_of(error)}"
        leases = await self._asker.leases(pods)
        names = frozenset(pod.name for pod in pods)
        self._costs.keep(names)
        refusal = await self._tell(self._costs.due(leases, time.monotonic()))
        return refusal or self._silence(names - leases.keys())

    async def _tell(self, costs: Mapping[str, int]) -> str:
        """Set the costs; what the API server said of one that it did not take, or empty."""
        refusals = await asyncio.gather(*(self._set(pod, cost) for pod, cost in costs.items()))
        return next(filter(None, refusals), "")

    async def _set(self, pod: str, cost: int) -> str:
        async with self._turns:
            try:
                await self._pods.set_cost(pod, cost)
            except API_ERRORS as error:
                return f"pods cannot be given a cost: {cause_of(error)}"
        self._costs.told(pod, cost, time.monotonic())
        log.debug("told", pod=pod, cost=cost)
        return ""

    def _silence(self, silent: frozenset[str]) -> str:
        """Which pods do not say how many leases they hold. One that ends between two questions is no news."""
        for_long = silent & self._silent
        self._silent = silent
        if not for_long:
            return ""
        return f"pods do not say how many leases they hold, and keep the cost that they have: {', '.join(sorted(for_long))}"

    def _conclude(self, complaint: str) -> None:
        if complaint and complaint != self._complaint:
            log.warning("browser pods are not all told apart by their leases", cause=complaint)
        elif self._complaint and not complaint:
            log.info("browser pods are told apart by their leases again")
        self._complaint = complaint
        if self._mark is None:
            return
        if complaint:
            self._mark.unlink(missing_ok=True)
        else:
            self._mark.touch()
