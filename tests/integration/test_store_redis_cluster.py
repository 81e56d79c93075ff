"""The shared store on a cluster: sessions lie on its nodes, signals and live events go everywhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path

import pytest
from redis.asyncio.connection import Connection
from redis.cluster import RedisCluster as ClusterClient

from meshwright.store.interface import Page, Quotas, Retention
from meshwright.store.redis import keys
from meshwright.store.redis.store import RedisStore
from meshwright.v1.event_pb2 import Event
from tests.support.redis_cluster import NODES, RedisCluster
from tests.support.store_drive import (
    ME,
    a_claim,
    a_notice,
    a_replica,
    a_run,
    a_session,
    an_end,
    sequences,
    taken,
    two_replicas,
)

SESSIONS = 12
BURST = 4
LIMITS = Quotas(sessions=SESSIONS, open_runs=SESSIONS)
APPENDS = 200
PATIENCE = 60.0


@pytest.fixture
async def replicas(cluster_url: str) -> AsyncIterator[tuple[RedisStore, RedisStore]]:
    async with two_replicas(cluster_url) as both:
        yield both


async def test_sessions_of_every_node_are_listed_claimed_followed_and_trimmed(
    replicas: tuple[RedisStore, RedisStore], cluster_url: str
) -> None:
    here, there = replicas
    names = [f"ses_{number}" for number in range(SESSIONS)]
    with ClusterClient.from_url(cluster_url.replace("+cluster", "")) as client:
        nodes = {client.get_node_from_key(keys.state(name)).port for name in names}
    assert len(nodes) == NODES
    for name in names:
        await a_session(here, name, quotas=LIMITS)
        await a_run(here, f"run_of_{name}", name, quotas=LIMITS)
    followed = {name: there.subscribe(name) for name in names}
    for name in names:
        assert await sequences(there, name) == [1]
        assert await here.followed(name)
    for _ in names:
        await an_end(here, await a_claim(here), at=1.0)
    for name, subscription in followed.items():
        async with asyncio.timeout(PATIENCE):
            while (await taken(subscription, 1))[-1].sequence < 2:
                pass
        subscription.close()
        assert await sequences(there, name) == [1, 2]
    assert [session.session_id for session, _ in await there.list_sessions(ME, Page(50))][::-1] == names
    assert await there.trim_all(Retention(finished_before=2.0)) == 2 * SESSIONS


async def test_a_store_just_opened_asks_each_node_for_its_own_keys_only(cluster_url: str) -> None:
    names = [f"ses_{number}" for number in range(SESSIONS)]
    async with two_replicas(cluster_url) as (here, _):
        for name in names:
            await a_session(here, name)
        with ClusterClient.from_url(cluster_url.replace("+cluster", "")) as nodes:
            nodes.config_resetstat(target_nodes=ClusterClient.PRIMARIES)
            async with a_replica(cluster_url) as opened:
                await asyncio.gather(*(sequences(opened, name) for name in names for _ in range(BURST)))
            told = nodes.info("errorstats", target_nodes=ClusterClient.PRIMARIES)
    assert [node for node, errors in told.items() if "errorstat_MOVED" in errors] == []


READS = {
    "a session": lambda store: store.get_session(ME, "ses_again"),
    "its events": lambda store: store.read("ses_again", 0, 10),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
async def test_a_read_whose_connection_closes_unsent_is_sent_again(
    cluster_url: str, monkeypatch: pytest.MonkeyPatch, read: Callable[[RedisStore], Awaitable[object]]
) -> None:
    """The library closes connections that another command is about to use."""
    async with a_replica(cluster_url) as store:
        await a_session(store, "ses_again")
        sending = Connection._send_packed_command
        unsent: list[Iterable[bytes]] = []

        async def closed_at_first(self: Connection, command: Iterable[bytes]) -> None:
            if not unsent:
                unsent.append(command)
                raise AttributeError("'NoneType' object has no attribute 'writelines'")
            await sending(self, command)

        monkeypatch.setattr(Connection, "_send_packed_command", closed_at_first)
        await read(store)
        assert unsent


async def test_a_node_that_dies_and_comes_back_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with RedisCluster(tmp_path, durable=True) as cluster:
        store = await RedisStore.open(cluster.url)
        for number in range(SESSIONS):
            await a_session(store, f"ses_{number}")
        appends = [
            asyncio.ensure_future(store.append_to_session(f"ses_{number % SESSIONS}", [a_notice(str(number))]))
            for number in range(APPENDS)
        ]
        cluster.nodes[1].kill()
        await asyncio.to_thread(cluster.nodes[1].start)
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*appends)
            for number in range(SESSIONS):
                events = [Event.FromString(stored.payload) for stored in await store.read(f"ses_{number}", 0, 1000)]
                assert [event.notice.text for event in events] == [str(n) for n in range(number, APPENDS, SESSIONS)]
        await store.close()
