"""What goes wrong and when: a schedule that follows from a seed, and the hands that carry it out."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.chaos.fleet import Fleet
    from tests.chaos.process import Process

FROZEN_SECONDS = 8.5
"""Longer than the lease of a claim: somebody else takes over meanwhile."""
STORE_FROZEN_SECONDS = 6.5
"""Longer than changes of the store are tried again, and than a lease."""
MEAN_PAUSE_SECONDS = 0.9


class Deed(NamedTuple):
    """One thing that goes wrong."""

    at: float
    """Seconds from the start."""
    kind: str
    victim: int
    """Which of those that could be hit."""
    rest: float
    """Seconds until a killed process is started again."""


WEIGHTS = {
    "agent killed": 6,
    "agent stopped": 4,
    "agent frozen": 2,
    "agent cut off": 4,
    "tools killed": 2,
    "tools stopped": 2,
    "tools cut off": 2,
    "browser killed": 1,
    "redis cut off": 3,
    "redis clients killed": 2,
    "redis frozen": 1,
}


def schedule(seed: int, seconds: float) -> list[Deed]:
    """What goes wrong in so many seconds. The first deeds are one of each kind that matters most, so that short trials have them."""
    dice = random.Random(seed)  # noqa: S311 - repeatable on purpose
    kinds = ["agent killed", "agent frozen", "agent stopped", "redis cut off", "tools killed", "agent cut off"]
    dice.shuffle(kinds)
    deeds: list[Deed] = []
    at = 1.0
    while at < seconds:
        kind = kinds.pop() if kinds else dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        deeds.append(Deed(at, kind, dice.randrange(1000), dice.uniform(0.0, 2.0)))
        at += dice.uniform(0.2, 2 * MEAN_PAUSE_SECONDS - 0.2)
    return deeds


class Monkey:
    """Carries out a schedule. At least one stable agent is never frozen or down, so that every run can go on."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._busy: set[asyncio.Task[None]] = set()
        self.done: Counter[str] = Counter()

    async def rage(self, deeds: list[Deed]) -> None:
        """Carry out all, and wait until everything runs again."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for deed in deeds:
            await asyncio.sleep(began + deed.at - loop.time())
            self._carry_out(deed)
        if self._busy:
            await asyncio.gather(*self._busy)

    def _carry_out(self, deed: Deed) -> None:
        who, _, what = deed.kind.partition(" ")
        if what == "cut off":
            names = [name for name in self._fleet.relays if name.startswith(who)]
            self._fleet.relays[names[deed.victim % len(names)]].cut()
            self.done[deed.kind] += 1
            return
        if who == "redis":
            self._do(deed, self._freeze_redis() if what == "frozen" else self._kill_clients())
            return
        if victims := self._victims(who):
            victim = victims[deed.victim % len(victims)]
            self._do(deed, HANDS[what](victim, deed))

    def _victims(self, who: str) -> list[Process]:
        """Who may be hit. Where there are several, one stays that can do all that they do, which the canary cannot."""
        kin = [process for process in self._fleet.processes if process.name.startswith(who)]
        able = [process for process in kin if process.runs]
        all_round = [process for process in able if process is not self._fleet.canary]
        spared = all_round if len(kin) > 1 and len(all_round) == 1 else []
        return [process for process in able if process not in spared]

    def _do(self, deed: Deed, work: Coroutine[None, None, None]) -> None:
        self.done[deed.kind] += 1
        task = asyncio.create_task(work, name=deed.kind)
        self._busy.add(task)

    async def _freeze_redis(self) -> None:
        self._fleet.redis.freeze()
        await asyncio.sleep(STORE_FROZEN_SECONDS)
        self._fleet.redis.thaw()

    async def _kill_clients(self) -> None:
        client = Redis.from_url(self._fleet.redis.url, socket_timeout=STORE_FROZEN_SECONDS)
        try:
            for kind in ("normal", "pubsub"):
                await client.client_kill_filter(_type=kind, skipme=True)
        except (RedisTimeoutError, RedisConnectionError):
            pass  # it is frozen, or another deed has killed this very connection
        finally:
            await client.aclose()


async def _kill(victim: Process, deed: Deed) -> None:
    await _end(victim, deed, signal.SIGKILL)


async def _stop(victim: Process, deed: Deed) -> None:
    await _end(victim, deed, signal.SIGTERM)


async def _end(victim: Process, deed: Deed, number: signal.Signals) -> None:
    victim.down = True
    victim.send(number)
    await victim.ended()
    await asyncio.sleep(deed.rest)
    await victim.start()
    victim.down = False


async def _freeze(victim: Process, deed: Deed) -> None:
    victim.down = True
    victim.send(signal.SIGSTOP)
    await asyncio.sleep(FROZEN_SECONDS)
    victim.send(signal.SIGCONT)
    victim.down = False


HANDS: dict[str, Callable[[Process, Deed], Coroutine[None, None, None]]] = {
    "killed": _kill,
    "stopped": _stop,
    "frozen": _freeze,
}
