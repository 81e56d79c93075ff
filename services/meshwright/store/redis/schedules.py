"""Which sessions are to be looked at, and when, since a run of theirs may be free.

Every session with a run that has not ended stands in the schedule, which the stable track goes through. Where the run is the canary's, it
stands there for a later look, and in the canary's schedule for an earlier one: the canary has a head start, and nothing that it leaves is
lost. Version 0.1.0 knows of no tracks: it finds every run in the one schedule, beside this version and after it.

Where a session stands is a hint. Whoever looks reads its oldest run, and sees whether it is one's own and free.
"""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple

from meshwright.store.redis import keys
from meshwright.store.redis.connection import Client, answered
from meshwright.store.redis.plan import now
from meshwright.v1.run_pb2 import Track

RESCHEDULE = (files(__package__) / "reschedule.lua").read_text()
LOOK_BY = (files(__package__) / "look_by.lua").read_text()
LOOKS = 16
MARGIN_MICROS = 30_000_000
"""A session is scheduled this much ahead before its run is stored: longer than the writer tries."""
HEAD_START_MICROS = 2_000_000
"""So long a run of the canary is free before the stable track takes it: longer than agents wait between two looks."""
STABLE, CANARY = Track.TRACK_STABLE, Track.TRACK_CANARY


class Entry(NamedTuple):
    """A session that is to be looked at now, as it stands in the schedule of a track."""

    track: Track.ValueType
    session_id: str
    time: int
    """When it was to be looked at, in microseconds since 1970."""
    offered: int | None = None
    """In the schedule of the stable track: when the canary is to look at it, or was; None where it is not."""


def schedule_of(track: Track.ValueType) -> str:
    """The key. Whatever is not the canary's is stable's."""
    return keys.CANARY_SCHEDULE if track == CANARY else keys.SCHEDULE


async def announce(client: Client, session_id: str) -> None:
    """Have the session looked at later, in case this replica dies before it says that a run waits there."""
    await look_by(client, STABLE, session_id, now() + MARGIN_MICROS)


async def run_came(client: Client, session_id: str, track: Track.ValueType) -> None:
    """Have the session looked at: there is a run more, of this track."""
    time = now()
    if track == CANARY:
        await look_by(client, STABLE, session_id, time + HEAD_START_MICROS)
    await look_by(client, track, session_id, time)


async def run_left(client: Client, session_id: str, track: Track.ValueType) -> None:
    """Have the session looked at: its oldest run, of this track, has ended or was given back, so that one is free from now on."""
    time = now()
    if track == CANARY:
        await look_by(client, STABLE, session_id, time + HEAD_START_MICROS)
        await answered(client.zadd(keys.CANARY_SCHEDULE, {session_id: time}))
    else:
        await look_by(client, STABLE, session_id, time)


async def look_by(client: Client, track: Track.ValueType, session_id: str, time: int) -> None:
    """Have the session looked at by this time, in the schedule of a track."""
    await answered(client.eval(LOOK_BY, 1, schedule_of(track), session_id, str(time)))


async def count_due(client: Client, track: Track.ValueType) -> int:
    """How many sessions are to be looked at."""
    return int(await answered(client.zcount(schedule_of(track), "-inf", now())))


async def due(client: Client, track: Track.ValueType) -> list[Entry]:
    """Some sessions that are to be looked at now, the most overdue first; empty where there is none."""
    rows = await answered(client.zrangebyscore(schedule_of(track), "-inf", now(), start=0, num=LOOKS, withscores=True))
    entries = [Entry(track, member.decode(), int(score)) for member, score in rows]
    if not entries or track == CANARY:
        return entries
    offers = await answered(client.zmscore(keys.CANARY_SCHEDULE, [entry.session_id for entry in entries]))
    return [
        entry if offered is None else entry._replace(offered=int(offered))
        for entry, offered in zip(entries, offers, strict=True)
    ]


async def postpone(client: Client, entry: Entry, until: int) -> None:
    """Have the entry's track look at the session again at this time, unless something is new."""
    await _reschedule(client, schedule_of(entry.track), entry.session_id, entry.time, str(until))


async def taken(client: Client, entry: Entry, until: int) -> None:
    """Have nobody look at the session before this time, unless something is new."""
    await _replace(client, entry, str(until))


async def drop(client: Client, entry: Entry) -> None:
    """Have the session looked at no more, by the canary or by nobody, unless something is new."""
    await _replace(client, entry, "")


async def forget(client: Client, session_id: str) -> None:
    """The session is gone."""
    for key in (keys.SCHEDULE, keys.CANARY_SCHEDULE):
        await answered(client.zrem(key, session_id))


async def _replace(client: Client, entry: Entry, wanted: str) -> None:
    if entry.offered is not None:
        await _reschedule(client, keys.CANARY_SCHEDULE, entry.session_id, entry.offered, wanted)
    await _reschedule(client, schedule_of(entry.track), entry.session_id, entry.time, wanted)


async def _reschedule(client: Client, key: str, session_id: str, time: int, wanted: str) -> None:
    await answered(client.eval(RESCHEDULE, 1, key, session_id, str(time), wanted))
