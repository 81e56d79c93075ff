"""What keeps a shared store small: one replica trims at a time, and what others left behind is cleared."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from meshwright.store.interface import Retention
from meshwright.store.redis import keys, trimming
from meshwright.store.redis.plan import now
from meshwright.store.redis.store import RedisStore
from meshwright.store.refusals import TrimmedError
from tests.support.store_drive import a_claim, a_notice, a_run, a_session, an_end, sequences

PATIENCE = 60.0
LONG_AGO = 1000.0
OLD = Retention(finished_before=LONG_AGO + 1)
HOUR_MICROS = 3600 * 1_000_000


async def an_old_run(store: RedisStore, run_id: str = "run_1") -> None:
    await a_run(store, run_id)
    await an_end(store, await a_claim(store), at=LONG_AGO)


async def test_one_replica_sweeps_at_a_time(replicas: tuple[RedisStore, RedisStore], admin: Any) -> None:
    here, there = replicas
    await a_session(here)
    await an_old_run(here)
    await admin.set(keys.TRIMMING, "another")
    assert await here.trim_all(OLD) == 0
    assert await admin.get(keys.TRIMMING) == b"another"
    await admin.delete(keys.TRIMMING)
    assert sorted(await asyncio.gather(here.trim_all(OLD), there.trim_all(OLD))) == [0, 2]
    assert await admin.get(keys.TRIMMING) is None


async def test_the_right_to_sweep_ends_by_itself(replicas: tuple[RedisStore, RedisStore], admin: Any) -> None:
    found = trimming.sessions_to_trim(replicas[0]._replica.client, "dies")
    await a_session(replicas[0])
    assert await anext(found) == "ses_1"
    assert 0 < await admin.ttl(keys.TRIMMING) <= trimming.HOLD_SECONDS
    await found.aclose()


async def test_what_a_replica_left_when_it_died_in_the_middle_of_a_trim_is_cleared(
    replicas: tuple[RedisStore, RedisStore], admin: Any
) -> None:
    here, there = replicas
    await a_session(here)
    await an_old_run(here)
    await admin.hset(keys.state("ses_1"), "first", 3)
    assert await admin.xlen(keys.log("ses_1")) == 2
    await there.trim("ses_1", OLD)
    assert await admin.xlen(keys.log("ses_1")) == 0
    assert await sequences(here, after=2) == []


async def test_a_follower_that_missed_what_was_removed_is_told(
    replicas: tuple[RedisStore, RedisStore], admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It loses its connection, and has another only when the events that it missed are gone."""
    here, there = replicas
    await a_session(here)
    subscription = there.subscribe("ses_1")
    assert await sequences(there) == []
    connect, gone = there._replica.follower._connected, asyncio.Event()

    async def connect_late() -> None:
        await gone.wait()
        await connect()

    monkeypatch.setattr(there._replica.follower, "_connected", connect_late)
    async with asyncio.timeout(PATIENCE):
        while (await admin.pubsub_numsub(keys.live("ses_1")))[0][1]:
            await admin.client_kill_filter(_type="pubsub")
            await asyncio.sleep(0.01)
        await an_old_run(here)
        assert await here.trim("ses_1", OLD) == 2
        gone.set()
        await subscription.wait()
    with pytest.raises(TrimmedError) as caught:
        subscription.take()
    assert caught.value.first_available_sequence == 3
    await here.append_to_session("ses_1", [a_notice("kept")])
    assert await sequences(there, after=2) == [3]


async def test_numbers_of_writers_that_are_long_gone_are_forgotten(
    replicas: tuple[RedisStore, RedisStore], admin: Any
) -> None:
    here, there = replicas
    state = keys.state("ses_1")
    await a_session(here)
    before = {b"writer/old", b"writer/silent"}
    await admin.hset(state, mapping={"writer/old": 7, "writer/silent": 3, "used/silent": now() - HOUR_MICROS - 1})
    assert before <= {*await admin.hkeys(state)}
    await admin.hset(state, "writers", "old silent " + here._replica.writer.name)
    await there.append_to_session("ses_1", [a_notice()])
    fields = {field.decode() for field in await admin.hkeys(state) if field.startswith((b"writer/", b"used/"))}
    names = [here._replica.writer.name, there._replica.writer.name, "old"]
    assert fields == {f"{kind}/{name}" for kind in ("writer", "used") for name in names}
    assert {*(await admin.hget(state, "writers")).decode().split()} == {*names}


async def test_writers_of_an_earlier_version_are_found_once(
    replicas: tuple[RedisStore, RedisStore], admin: Any
) -> None:
    state = keys.state("ses_1")
    await a_session(replicas[0])
    await admin.hset(state, "writer/earlier", 7)
    await admin.hdel(state, "writers")
    await replicas[1].append_to_session("ses_1", [a_notice()])
    assert b"earlier" in await admin.hget(state, "writers")
    assert await admin.hexists(state, "used/earlier")
