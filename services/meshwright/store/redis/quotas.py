"""Limits of principals. What a principal has lies in another slot of a cluster than its sessions.

So a place is reserved there first, and the session changed then. A replica that dies in between leaves a place for something that
never came to be: before anybody is refused, the places are compared with what there is, and such ones are given back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files

import structlog

from meshwright.serving.errors import MeshError
from meshwright.store.interface import Quotas
from meshwright.store.redis import keys
from meshwright.store.redis.connection import Client, answered
from meshwright.store.redis.plan import FINISHED, now, run_field
from meshwright.store.redis.schedules import MARGIN_MICROS, RESCHEDULE
from meshwright.store.refusals import open_runs_exhausted, sessions_exhausted, today, tokens_exhausted
from meshwright.store.usage import tokens_of
from meshwright.v1.run_pb2 import Run

log = structlog.get_logger(__name__)
RESERVE = (files(__package__) / "reserve.lua").read_text()
COUNT = (files(__package__) / "count.lua").read_text()
COUNTED_SECONDS = 3 * 24 * 3600
"""Longer than a run may take and a day may last."""
PIECE = 200

Place = tuple[bytes, float]
"""A member of a set, and since when it is there."""


async def reserve_session(client: Client, principal: str, session_id: str, quotas: Quotas) -> None:
    """Take the place of a new session in the principal's list. QUOTA_EXCEEDED."""

    async def gone(places: Sequence[Place]) -> list[Place]:
        made = [await _exists(client, member.decode()) for member, _ in places]
        return [place for place, there in zip(places, made, strict=True) if not there and _old(place)]

    if not await _reserve(client, keys.sessions(principal), session_id, quotas.sessions, gone):
        raise sessions_exhausted(principal, quotas.sessions)


async def reserve_run(client: Client, principal: str, session_id: str, run_id: str, quotas: Quotas) -> None:
    """Take the place of a new run. QUOTA_EXCEEDED."""

    async def gone(places: Sequence[Place]) -> list[Place]:
        states = [await _state_of(client, member.decode()) for member, _ in places]
        ended = str(FINISHED).encode()
        return [
            place
            for place, state in zip(places, states, strict=True)
            if state == ended or (state is None and _old(place))
        ]

    key = keys.runs_of(principal)
    if not await _reserve(client, key, _member(session_id, run_id), quotas.open_runs, gone):
        raise open_runs_exhausted(principal, quotas.open_runs)


async def give_back_runs(client: Client, principal: str, session_id: str, run_ids: Sequence[str]) -> None:
    """Free the places of runs that ended or never came to be."""
    if run_ids:
        await answered(client.zrem(keys.runs_of(principal), *(_member(session_id, run_id) for run_id in run_ids)))


class Tokens:
    """Counts what the runs of principals use, behind the appends that say so."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._counting: set[asyncio.Task[None]] = set()

    async def check(self, principal: str, quotas: Quotas) -> None:
        """QUOTA_EXCEEDED where the day's tokens are used up."""
        if quotas.tokens_per_day and await self.today(principal) >= quotas.tokens_per_day:
            raise tokens_exhausted(principal, quotas.tokens_per_day)

    async def today(self, principal: str) -> int:
        """What the principal's runs have used since midnight."""
        if self._counting:
            await asyncio.wait(self._counting)
        return int(await answered(self._client.get(keys.tokens(principal, today()))) or 0)

    def count(self, principal: str, run: Run) -> None:
        """Count what a run has used in all until now. A count that is lost is made up for by the run's next one, whoever makes it."""
        used = tokens_of(run.usage)
        if used and not run.parent_run_id:
            task = asyncio.create_task(self._count(principal, run.run_id, used))
            self._counting.add(task)
            task.add_done_callback(self._counting.discard)

    async def close(self) -> None:
        """Finish what is being counted."""
        if self._counting:
            await asyncio.wait(self._counting)

    async def _count(self, principal: str, run_id: str, used: int) -> None:
        names = (keys.counted(principal, run_id), keys.tokens(principal, today()))
        try:
            await answered(self._client.eval(COUNT, len(names), *names, used, COUNTED_SECONDS))
        except MeshError as error:
            log.warning("store.tokens_not_counted", run_id=run_id, reason=error.reason_name)


async def _reserve(
    client: Client, key: str, member: str, limit: int, gone: Callable[[Sequence[Place]], Awaitable[list[Place]]]
) -> bool:
    if await answered(client.eval(RESERVE, 1, key, member, now(), limit)):
        return True
    freed = False
    for start in range(0, limit, PIECE):
        places = await answered(client.zrange(key, start, start + PIECE - 1, withscores=True))
        for place, since in await gone(places):
            # Only if nobody has taken the same place anew.
            freed |= bool(await answered(client.eval(RESCHEDULE, 1, key, place, f"{since:.0f}", "")))
        if freed:
            break
    return freed and bool(await answered(client.eval(RESERVE, 1, key, member, now(), limit)))


async def _exists(client: Client, session_id: str) -> bool:
    return bool(await answered(client.exists(keys.state(session_id))))


async def _state_of(client: Client, member: str) -> bytes | None:
    session_id, _, run_id = member.partition("/")
    state: bytes | None = await answered(client.hget(keys.state(session_id), run_field(run_id, "state")))
    return state


def _member(session_id: str, run_id: str) -> str:
    return f"{session_id}/{run_id}"


def _old(place: Place) -> bool:
    """Whether whoever took it has given up or succeeded by now."""
    return place[1] < now() - MARGIN_MICROS
