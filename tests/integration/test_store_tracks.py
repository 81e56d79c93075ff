"""Runs of the shared store and their tracks: each goes to its own, and the stable track takes what the canary leaves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from meshwright.store.interface import ClaimedRun, RunWaiting, Store
from meshwright.store.opening import open_store
from meshwright.store.redis import keys, schedules
from meshwright.store.redis.connecting import connect
from meshwright.store.redis.connection import Client
from meshwright.v1.run_pb2 import Track
from tests.support.store_drive import LEASE, ME, a_run, a_session, a_store, an_end, settled

STABLE, CANARY, NONE = Track.TRACK_STABLE, Track.TRACK_CANARY, Track.TRACK_UNSPECIFIED
ON_A_CLUSTER_TOO = pytest.mark.parametrize("engine", ["redis", "cluster"], indirect=True)
HEAD_START = 0.5
PATIENCE = 60.0
SESSION = "ses_1"


class Both(NamedTuple):
    """A replica of each track, and the server."""

    stable: Store
    canary: Store
    client: Client

    async def to_stable(self, lease: float = LEASE) -> str | None:
        """The run that the stable track gets now."""
        return name_of(await self.stable.claim_run("stable", lease, STABLE))

    async def to_canary(self, lease: float = LEASE) -> str | None:
        """The run that the canary gets now."""
        return name_of(await self.canary.claim_run("canary", lease, CANARY))

    async def kept(self) -> tuple[list[bytes], list[bytes]]:
        """The sessions in the schedules of both tracks."""
        return (
            await self.client.zrange(keys.SCHEDULE, 0, -1),
            await self.client.zrange(keys.CANARY_SCHEDULE, 0, -1),
        )


def name_of(claimed: ClaimedRun | None) -> str | None:
    return claimed and claimed.run.run_id


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    """One server, unless a test says otherwise."""
    return getattr(request, "param", "redis")


@pytest.fixture
async def both(store_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Both]:
    monkeypatch.setattr(schedules, "HEAD_START_MICROS", round(HEAD_START * 1e6))
    async with a_store(store_address, tmp_path) as stable:
        canary = await open_store(store_address, tmp_path / "unused")
        client = connect(store_address)
        await a_session(stable)
        yield Both(stable, canary, client)
        await client.aclose()
        await canary.close()


async def until_stable_gets(both: Both) -> tuple[ClaimedRun, float]:
    """What the stable track gets as soon as it gets something, and after how many seconds."""
    began = time.monotonic()
    async with asyncio.timeout(PATIENCE):
        while (claimed := await both.stable.claim_run("stable", LEASE, STABLE)) is None:  # noqa: ASYNC110 - time passes
            await asyncio.sleep(0.02)
    return claimed, time.monotonic() - began


@ON_A_CLUSTER_TOO
async def test_each_track_gets_its_own_runs_at_once(both: Both) -> None:
    for number, track in enumerate((CANARY, STABLE, NONE, CANARY)):
        await a_session(both.stable, f"ses_of_{number}")
        await a_run(both.canary, f"run_{number}", f"ses_of_{number}", track=track)
    assert [await both.to_canary() for _ in range(3)] == ["run_0", "run_3", None]
    assert [await both.to_stable() for _ in range(3)] == ["run_1", "run_2", None]


@ON_A_CLUSTER_TOO
async def test_runs_of_a_session_go_to_their_tracks_in_turn(both: Both) -> None:
    for number, track in enumerate((CANARY, STABLE, CANARY, CANARY, STABLE)):
        await a_run(both.stable, f"run_{number}", track=track)
    for number, track in enumerate((CANARY, STABLE, CANARY, CANARY, STABLE)):
        other = STABLE if track == CANARY else CANARY
        async with asyncio.timeout(PATIENCE):
            while (claimed := await both.canary.claim_run("its own", LEASE, track)) is None:
                await both.stable.claim_run("the other", LEASE, other)
        assert name_of(claimed) == f"run_{number}"
        assert await both.stable.claim_run("the other", LEASE, other) is None
        await an_end(both.canary, claimed)


async def test_a_run_behind_one_of_the_other_track_is_offered_when_that_has_ended(both: Both) -> None:
    await a_run(both.stable, "first", track=STABLE)
    await a_run(both.stable, "second", track=CANARY)
    claimed = await both.stable.claim_run("stable", LEASE, STABLE)
    assert claimed is not None
    await an_end(both.stable, claimed)
    async with asyncio.timeout(PATIENCE):
        while (second := await both.to_canary()) is None:
            assert await both.to_stable() is None
    assert second == "second"


@ON_A_CLUSTER_TOO
async def test_what_the_canary_leaves_is_stables_after_a_while(both: Both) -> None:
    await a_run(both.stable, track=CANARY)
    claimed, seconds = await until_stable_gets(both)
    assert name_of(claimed) == "run_1"
    assert seconds > HEAD_START - 0.1
    assert await both.to_canary() is None


async def test_asking_for_more_does_not_keep_the_stable_track_waiting(both: Both) -> None:
    await a_run(both.stable, "first", track=CANARY)

    async def ask_on() -> None:
        for number in range(10_000):
            await a_run(both.canary, f"later_{number}", track=CANARY)
            await asyncio.sleep(HEAD_START / 5)

    asking = asyncio.create_task(ask_on())
    claimed, _ = await until_stable_gets(both)
    asking.cancel()
    assert name_of(claimed) == "first"


@ON_A_CLUSTER_TOO
async def test_a_run_whose_canary_died_goes_to_another_before_it_is_stables(both: Both) -> None:
    await a_run(both.stable, track=CANARY)
    lease = 0.2
    assert await both.to_canary(lease) == "run_1"
    await asyncio.sleep(lease)
    assert await both.to_stable() is None
    assert await both.to_canary(lease) == "run_1"
    claimed, seconds = await until_stable_gets(both)
    assert (claimed.run.attempt, name_of(claimed)) == (3, "run_1")
    assert seconds > lease + HEAD_START - 0.1


@ON_A_CLUSTER_TOO
async def test_a_run_that_is_given_back_goes_to_another_canary(both: Both) -> None:
    await a_run(both.stable, track=CANARY)
    held = await both.canary.claim_run("leaving", LEASE, CANARY)
    assert held is not None
    await asyncio.sleep(HEAD_START)
    assert await both.to_stable() is None
    await both.canary.release_claims([held.claim])
    assert await both.to_canary() == "run_1"


async def test_a_run_that_is_given_back_where_no_canary_is_left_goes_to_stable(both: Both) -> None:
    await a_run(both.stable, track=CANARY)
    held = await both.canary.claim_run("the last", LEASE, CANARY)
    assert held is not None
    await both.canary.release_claims([held.claim])
    claimed, seconds = await until_stable_gets(both)
    assert name_of(claimed) == "run_1"
    assert seconds > HEAD_START - 0.1


async def test_the_canary_has_its_head_start_with_every_run_of_a_session(both: Both) -> None:
    await a_run(both.stable, "first", track=CANARY)
    await a_run(both.stable, "second", track=CANARY)
    claimed, _ = await until_stable_gets(both)
    await an_end(both.stable, claimed)
    assert await both.to_stable() is None
    assert await both.to_canary() == "second"


async def test_the_canary_has_its_head_start_after_a_run_that_nobody_took(both: Both) -> None:
    await a_run(both.stable, "first", track=CANARY)
    await both.stable.cancel_run(ME, SESSION, "first", None, settled)
    await asyncio.sleep(HEAD_START)
    await a_run(both.stable, "second", track=CANARY)
    assert await both.to_stable() is None
    assert await both.to_canary() == "second"


async def test_a_run_that_only_the_schedule_of_version_0_1_0_has_is_offered_to_the_canary(both: Both) -> None:
    heard = asyncio.Queue[object]()
    both.canary.listen(heard.put_nowait)
    await a_run(both.stable, track=CANARY)
    await both.client.delete(keys.CANARY_SCHEDULE)
    await both.client.zadd(keys.SCHEDULE, {SESSION: time.time_ns() // 1000})
    while not heard.empty():
        heard.get_nowait()
    assert await both.to_stable() is None
    async with asyncio.timeout(PATIENCE):
        assert await heard.get() == RunWaiting()
    assert await both.to_canary() == "run_1"


async def test_a_run_of_the_canary_that_an_agent_of_version_0_1_0_left_is_taken_over(both: Both) -> None:
    """It claims whatever it finds in the one schedule, and knows of no other."""
    await a_run(both.stable, track=CANARY)
    assert await both.to_canary(0.2) == "run_1"
    await both.client.delete(keys.CANARY_SCHEDULE)
    await both.client.zadd(keys.SCHEDULE, {SESSION: time.time_ns() // 1000})
    assert await both.to_stable() is None
    assert name_of((await until_stable_gets(both))[0]) == "run_1"


async def test_every_session_with_a_run_is_where_version_0_1_0_looks(both: Both) -> None:
    await a_run(both.canary, "first", track=CANARY)
    await a_run(both.canary, "second", track=STABLE)
    claimed = await both.canary.claim_run("canary", LEASE, CANARY)
    assert claimed is not None
    assert (await both.kept())[0] == [SESSION.encode()]
    await an_end(both.canary, claimed)
    await both.to_canary()
    assert (await both.kept())[0] == [SESSION.encode()]


@pytest.mark.parametrize("track", [STABLE, CANARY])
async def test_nothing_is_left_in_the_schedules_when_runs_have_ended(both: Both, track: Track.ValueType) -> None:
    await a_run(both.stable, track=track)
    claimed, _ = await until_stable_gets(both)
    await an_end(both.stable, claimed)
    async with asyncio.timeout(PATIENCE):
        while await both.kept() != ([], []):
            assert await both.to_stable() is None
            await asyncio.sleep(0.02)


@ON_A_CLUSTER_TOO
async def test_nothing_is_left_in_the_schedules_of_a_session_that_is_deleted(both: Both) -> None:
    await a_run(both.stable, track=CANARY)
    await both.stable.delete_session(ME, SESSION, None)
    assert await both.kept() == ([], [])


async def test_a_cancelled_run_of_the_canary_makes_way_for_one_of_stable(both: Both) -> None:
    await a_run(both.stable, "first", track=CANARY)
    await a_run(both.stable, "second", track=STABLE)
    assert await both.to_stable() is None
    await both.stable.cancel_run(ME, SESSION, "first", None, settled)
    assert await both.to_canary() is None
    assert await both.to_stable() == "second"


@ON_A_CLUSTER_TOO
async def test_runs_that_wait_are_counted_for_their_track(both: Both) -> None:
    for number, track in enumerate((CANARY, STABLE, CANARY)):
        await a_session(both.stable, f"ses_of_{number}")
        await a_run(both.canary, f"run_{number}", f"ses_of_{number}", track=track)
    assert [await both.stable.claimable_runs(track) for track in (STABLE, CANARY)] == [1, 2]
    await both.to_canary()
    assert [await both.stable.claimable_runs(track) for track in (STABLE, CANARY)] == [1, 1]
