"""A cluster that changes under steady work: slots move, primaries go, nodes restart and stand still. Nothing is lost, nothing doubled."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from meshwright.store.interface import Once
from meshwright.store.redis import follower, keys
from meshwright.v1.event_pb2 import Event
from tests.support.redis_cluster import NODES, SLOTS, RedisCluster, slot_of
from tests.support.store_drive import a_notice, a_replica, a_run, a_session, sequences, taken
from tests.support.store_traffic import traffic

FIRST, OTHER, REPLICA, SPARE = 0, 1, NODES, NODES + 1
EACH = 2
"""Sessions of each node."""
HELD_SECONDS = 0.3
FROZEN_SECONDS = 1.0
SOON, NEVER = 0.1, 1000.0
names = (f"ses_{number}" for number in count())


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """Its first node has a replica; its last one has no slot, and no client knows it."""
    with RedisCluster(tmp_path_factory.mktemp("cluster"), durable=True, replicas=1, spare=1) as cluster:
        yield cluster


def sessions_of(node: int, wanted: int = EACH) -> list[str]:
    """New names of sessions that lie at a node, as the slots were shared out."""
    mine = (name for name in names if slot_of(keys.state(name)) * NODES // SLOTS == node)
    return [next(mine) for _ in range(wanted)]


def a_slot_moves(cluster: RedisCluster, sessions: list[str]) -> None:
    """To a node that is new, with a while in which the session is in two parts."""
    slot = slot_of(keys.state(sessions[0]))
    cluster.begin_move(slot, FIRST, SPARE)
    cluster.carry([keys.log(sessions[0])], FIRST, SPARE)
    cluster.wait(HELD_SECONDS)
    cluster.end_move(slot, FIRST, SPARE)


def a_primary_is_relieved(cluster: RedisCluster, _: list[str]) -> None:
    cluster.ask(REPLICA, "CLUSTER", "FAILOVER")
    cluster.wait_for(lambda: cluster.leads(REPLICA) and not cluster.leads(FIRST))


def a_primary_dies(cluster: RedisCluster, _: list[str]) -> None:
    """And its replica takes over; it comes back as a replica."""
    cluster.nodes[REPLICA].kill()
    cluster.wait_for(lambda: cluster.leads(FIRST) and cluster.is_well(OTHER))
    cluster.nodes[REPLICA].start()


def a_node_restarts(cluster: RedisCluster, _: list[str]) -> None:
    cluster.nodes[OTHER].kill()
    cluster.nodes[OTHER].start()


def a_node_stands_still(cluster: RedisCluster, _: list[str]) -> None:
    cluster.nodes[OTHER].freeze()
    cluster.wait(FROZEN_SECONDS)
    cluster.nodes[OTHER].thaw()


CHANGES = (a_slot_moves, a_primary_is_relieved, a_primary_dies, a_node_restarts, a_node_stands_still)
"""In this order: what one leaves behind is the next one's beginning."""


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
async def test_work_goes_on_and_nothing_is_lost_or_doubled(
    cluster: RedisCluster, change: Callable[[RedisCluster, list[str]], None]
) -> None:
    sessions = [name for node in range(NODES) for name in sessions_of(node)]
    async with traffic(cluster.url, sessions) as work:
        async with work.under_way():
            await asyncio.to_thread(change, cluster, sessions)
        await work.verify()


async def test_changes_of_a_session_keep_their_order_while_its_slot_moves(cluster: RedisCluster) -> None:
    """The first one makes a key, which is refused meanwhile; the second one's keys are all there, and it would not be."""
    (name,) = sessions_of(OTHER, 1)
    slot = slot_of(keys.state(name))
    async with a_replica(cluster.url) as store:
        await a_session(store, name)
        await a_run(store, "run_first", name)
        for empty in set(keys.of_session(name)) - set(cluster.ask(OTHER, "CLUSTER", "GETKEYSINSLOT", slot, 100)):
            cluster.ask(OTHER, "ZADD", empty, 0, "somebody")
        cluster.ask(OTHER, "CONFIG", "RESETSTAT")
        cluster.begin_move(slot, OTHER, SPARE)
        asking = asyncio.create_task(a_run(store, "run_asked_for", name, once=Once("once", b"digest")))
        await asyncio.to_thread(
            cluster.wait_for, lambda: "errorstat_TRYAGAIN" in cluster.ask(OTHER, "INFO", "errorstats")
        )
        behind = asyncio.create_task(store.append_to_session(name, [a_notice("behind")]))
        await asyncio.to_thread(cluster.wait, HELD_SECONDS)
        cluster.end_move(slot, OTHER, SPARE)
        await asyncio.gather(asking, behind)
        events = [Event.FromString(stored.payload) for stored in await store.read(name, 0, 10)]
    assert [(event.run_id, event.notice.text) for event in events] == [
        ("run_first", "queued"),
        ("run_asked_for", "queued"),
        ("", "behind"),
    ]


async def test_watchers_of_a_node_that_stands_still_hear_another_one(
    cluster: RedisCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "POLL_SECONDS", SOON)
    monkeypatch.setattr(follower, "LOOK_SECONDS", NEVER)
    for node in cluster.primaries():
        cluster.ask(node, "CONFIG", "SET", "cluster-require-full-coverage", "no")
    async with a_replica(cluster.url) as here, a_replica(cluster.url) as there:
        with contextlib.closing(there.subscribe("ses_none")):
            assert await sequences(there, "ses_none") == []
            channel = keys.live("ses_none")
            (heard,) = [n for n in cluster.primaries() if cluster.ask(n, "PUBSUB", "NUMSUB", channel)[1]]
            (name,) = sessions_of(FIRST if heard == OTHER else OTHER, 1)
            await a_session(here, name)
            with contextlib.closing(there.subscribe(name)) as subscription:
                assert await sequences(there, name) == []
                cluster.nodes[heard].freeze()
                try:
                    appending = asyncio.create_task(here.append_to_session(name, [a_notice()]))
                    (event,) = await taken(subscription, 1)
                finally:
                    cluster.nodes[heard].thaw()
                await appending
    assert event.sequence == 1


async def test_an_event_of_which_a_watcher_s_node_was_not_told_is_found(
    cluster: RedisCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node hears nothing of others until they are joined again."""
    monkeypatch.setattr(follower, "LOOK_SECONDS", SOON)
    monkeypatch.setattr(follower.Follower, "_take_events", lambda *_: None)
    (name,) = sessions_of(OTHER, 1)
    async with a_replica(cluster.url) as here, a_replica(cluster.url) as there:
        await a_session(here, name)
        with contextlib.closing(there.subscribe(name)) as subscription:
            assert await sequences(there, name) == []
            await here.append_to_session(name, [a_notice()])
            (event,) = await taken(subscription, 1)
    assert event.sequence == 1
