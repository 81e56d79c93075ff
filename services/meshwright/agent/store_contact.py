"""Waiting for the shared store at the start: the agent serves, and is ready as soon as the store answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from meshwright.serving.startup import StartupError
from meshwright.store.opening import StoreUnusableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from meshwright.serving.health import Readiness
    from meshwright.store.interface import Store

LOOK_SECONDS = 0.5
REMIND_SECONDS = 30.0
"""How often the log says what is waited for, while that is the same."""


class StoreContact:
    """Tells `readiness` what keeps the store from answering, until it has answered once.

    A store that goes away later is no reason to be told so again: calls wait for it, and then end as UNAVAILABLE.
    """

    def __init__(self, store: Store, readiness: Readiness) -> None:
        self._store = store
        self._readiness = readiness
        self._made = asyncio.Event()

    async def look(self) -> str:
        """What keeps the store from answering; empty where it does. StartupError where to wait would be of no use."""
        try:
            problem = await self._store.problem()
        except StoreUnusableError as error:
            raise StartupError(str(error)) from error
        if not problem:
            self._made.set()
        return problem

    async def seek(self, told: str) -> None:
        """Look until the store answers, where `told` was the first problem. The process ends where to wait has become of no use."""
        clock = asyncio.get_running_loop().time
        again = clock() + REMIND_SECONDS
        try:
            while problem := await self.look():
                if problem != told or clock() >= again:
                    told, again = problem, clock() + REMIND_SECONDS
                    self._readiness.set_waiting(problem)
                await asyncio.sleep(LOOK_SECONDS)
        except StartupError as error:
            self._readiness.give_up(error)
        else:
            self._readiness.set_ready()

    async def then(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work once the store has answered."""
        await self._made.wait()
        await work()
