"""The shared store under several replicas, lost connections and a server that dies."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from meshwright.serving.errors import MeshError
from meshwright.store.interface import (
    ApprovalSettled,
    CancelRequested,
    ClaimedRun,
    Draft,
    InputDelivered,
    RunWaiting,
    SessionDeleted,
    Signal,
)
from meshwright.store.live import Subscription
from meshwright.store.redis import keys
from meshwright.store.redis.store import RedisStore
from meshwright.v1.event_pb2 import Approval, ApprovalRequested, ApprovalResolved, ApprovalState, Event, EventKind
from tests.support.redis_server import RedisServer
from tests.support.store_drive import LEASE, ME, a_claimed_run, a_notice, a_replica, a_run, a_session, refusal, texts

SESSION, RUN = "ses_1", "run_1"
PATIENCE = 60.0


async def live_texts(subscription: Subscription, count: int) -> list[str]:
    """What so many live events say; their sequences have no gap."""
    events: list[Event] = []
    async with asyncio.timeout(PATIENCE):
        while len(events) < count:
            await subscription.wait()
            events += [Event.FromString(stored.payload) for stored in subscription.take()]
    first = events[0].sequence
    assert [event.sequence for event in events] == list(range(first, first + len(events)))
    return [event.notice.text for event in events]


async def eventually(attempt: Callable[[], Awaitable[Any]]) -> Any:
    """What the attempt gives, once it gives something."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if given := await attempt():
                return given
            await asyncio.sleep(0.01)


async def test_what_one_replica_appends_is_live_at_the_other(replicas: tuple[RedisStore, RedisStore]) -> None:
    here, there = replicas
    await a_session(here)
    subscription = there.subscribe(SESSION)
    assert await there.read(SESSION, 0, 10) == []
    for number in range(50):
        await here.append_to_session(SESSION, [a_notice(f"{number}a"), a_notice(f"{number}b")])
    assert await live_texts(subscription, 100) == [f"{number}{letter}" for number in range(50) for letter in "ab"]


async def test_both_replicas_see_the_same_order_of_what_both_append(replicas: tuple[RedisStore, RedisStore]) -> None:
    await a_session(replicas[0])
    subscriptions = [store.subscribe(SESSION) for store in replicas]
    for store in replicas:
        await store.read(SESSION, 0, 1)
    appends = [
        store.append_to_session(SESSION, [a_notice(f"{name}{number}")])
        for number in range(100)
        for name, store in zip("ab", replicas, strict=True)
    ]
    await asyncio.gather(*appends)
    seen = [await live_texts(subscription, 200) for subscription in subscriptions]
    assert seen[0] == seen[1] == await texts(replicas[0])


async def test_a_run_is_taken_over_when_its_lease_is_over_and_the_deposed_can_append_no_more(
    replicas: tuple[RedisStore, RedisStore],
) -> None:
    here, there = replicas
    deposed = await a_claimed_run(here, lease_seconds=0.2)
    await here.append(deposed, [a_notice("mine", RUN)])

    async def attempt() -> ClaimedRun | None:
        return await there.claim_run("second", LEASE)

    claimed: ClaimedRun = await eventually(attempt)
    assert (claimed.run.attempt, claimed.claim.run_id) == (2, RUN)
    assert claimed.claim.token > deposed.token
    assert await refusal(here.append(deposed, [a_notice("too late", RUN)])) == "RUN_CLAIM_LOST"
    assert (await here.renew_claims([deposed], LEASE)).lost == [deposed]
    await there.append(claimed.claim, [a_notice("theirs", RUN)])
    assert await texts(here) == ["queued", "mine", "theirs"]


async def test_a_lease_that_is_renewed_is_not_taken_over(replicas: tuple[RedisStore, RedisStore]) -> None:
    here, there = replicas
    claim = await a_claimed_run(here, lease_seconds=0.3)
    loop = asyncio.get_running_loop()
    end = loop.time() + 1.0
    while loop.time() < end:
        assert await here.renew_claims([claim], 0.3) == ([], [], [])
        assert await there.claim_run("second", LEASE) is None
        await asyncio.sleep(0.05)


async def test_only_one_of_many_replicas_gets_a_run(replicas: tuple[RedisStore, RedisStore]) -> None:
    await a_session(replicas[0])
    await a_run(replicas[0])
    claimed = await asyncio.gather(*(store.claim_run(f"{n}", LEASE) for n in range(10) for store in replicas))
    assert len([claim for claim in claimed if claim is not None]) == 1


async def test_signals_reach_the_other_replica(replicas: tuple[RedisStore, RedisStore], admin: Any) -> None:
    here, there = replicas

    async def both_listen() -> bool:
        return bool((await admin.pubsub_numsub(keys.SIGNALS))[0][1] == 2)

    await eventually(both_listen)
    heard: asyncio.Queue[Signal] = asyncio.Queue()
    there.listen(heard.put_nowait)

    async def next_signal() -> Signal:
        async with asyncio.timeout(PATIENCE):
            return await heard.get()

    await a_session(here)
    await a_run(here)
    assert await next_signal() == RunWaiting()
    claimed = await there.claim_run("second", LEASE)
    assert claimed is not None
    await here.deliver_input(ME, SESSION, RUN, None, lambda run: a_notice("input", run.run_id), interrupt=True)
    assert await next_signal() == InputDelivered(SESSION, RUN, True)

    question = Event(
        run_id=RUN, approval_requested=ApprovalRequested(approval=Approval(approval_id="apr_1", run_id=RUN))
    )
    draft = Draft(EventKind.EVENT_KIND_APPROVAL_REQUESTED, RUN, question.SerializeToString())
    await there.append(claimed.claim, [draft])
    answer = ApprovalResolved(approval_id="apr_1", state=ApprovalState.APPROVAL_STATE_APPROVED)
    await here.resolve_approval(ME, SESSION, "apr_1", None, lambda approval: (answer, a_notice("yes", RUN)))
    assert await next_signal() == ApprovalSettled(SESSION, RUN, "apr_1")

    await here.cancel_run(ME, SESSION, RUN, None, lambda run: pytest.fail("it is active"))
    assert await next_signal() == CancelRequested(SESSION, RUN)
    watching = there.subscribe(SESSION)
    await there.read(SESSION, 0, 1)
    await here.delete_session(ME, SESSION, None)
    assert await next_signal() == SessionDeleted(SESSION)
    with pytest.raises(MeshError, match="session"):
        watching.take()


async def test_connections_that_are_killed_lose_and_double_nothing(
    replicas: tuple[RedisStore, RedisStore], admin: Any
) -> None:
    here, there = replicas
    claim = await a_claimed_run(here)
    subscriptions = [store.subscribe(SESSION) for store in replicas]
    for store in replicas:
        await store.read(SESSION, 0, 1)
    done = asyncio.Event()
    killed = 0

    async def kill() -> None:
        nonlocal killed
        while not done.is_set():
            killed += await admin.client_kill_filter(_type="normal", skipme=True)
            killed += await admin.client_kill_filter(_type="pubsub", skipme=True)
            await asyncio.sleep(0.1)

    killing = asyncio.create_task(kill())
    appends: dict[str, Awaitable[object]] = {}
    for number in range(300):
        appends[f"a{number}"] = here.append(claim, [a_notice(f"a{number}", RUN)])
        if number % 10 == 0:
            appending = there.append_to_session(SESSION, [a_notice(f"b{number}")])
            appends[f"b{number}"] = asyncio.ensure_future(appending)
        await asyncio.sleep(0.003)
    results = dict(zip(appends, await asyncio.gather(*appends.values(), return_exceptions=True), strict=True))
    done.set()
    await killing
    assert killed > 10
    # On a machine that gets to nothing between two cuts some are refused after a while; what was said to be stored is.
    refused = {text: result for text, result in results.items() if isinstance(result, BaseException)}
    assert {type(result) for result in refused.values()} <= {MeshError}
    assert len(refused) < len(results) / 2
    logged = await texts(here)
    assert sorted(logged) == sorted({*logged})
    assert {*results} - {*refused} <= {*logged}
    ours = [int(text[1:]) for text in logged if text.startswith("a")]
    assert ours == sorted(ours)
    for subscription in subscriptions:
        assert await live_texts(subscription, len(logged) - 1) == logged[1:]


async def test_any_number_of_reads_at_once_wait_for_few_connections(
    replicas: tuple[RedisStore, RedisStore], admin: Any
) -> None:
    await a_session(replicas[0])
    async with asyncio.timeout(PATIENCE):
        found = await asyncio.gather(*(replicas[0].get_session(ME, SESSION) for _ in range(1000)))
    assert {session.session_id for session in found} == {SESSION}
    assert len(await admin.client_list()) < 200


async def test_a_server_that_forgot_the_script_is_given_it_again(
    replicas: tuple[RedisStore, RedisStore], admin: Any
) -> None:
    await a_session(replicas[0])
    await admin.script_flush()
    await replicas[0].append_to_session(SESSION, [a_notice("one")])
    assert await texts(replicas[1]) == ["one"]


async def test_a_server_that_dies_comes_back_with_all_that_was_acknowledged(tmp_path: Path) -> None:
    with RedisServer(tmp_path, durable=True) as server:
        async with a_replica(server.url) as store:
            claim = await a_claimed_run(store)
            subscription = store.subscribe(SESSION)
            await store.read(SESSION, 0, 1)
            for number in range(20):
                await store.append(claim, [a_notice(f"{number}", RUN)])
            server.kill()
            meanwhile = store.append(claim, [a_notice("meanwhile", RUN)])
            await asyncio.to_thread(server.start)
            await meanwhile
            expected = [*(f"{number}" for number in range(20)), "meanwhile"]
            assert await texts(store) == ["queued", *expected]
            assert await live_texts(subscription, 21) == expected
            await store.append(claim, [a_notice("after", RUN)])
            assert await live_texts(subscription, 1) == ["after"]


async def test_a_server_that_stays_away_is_unavailable(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        async with a_replica(server.url) as store:
            claim = await a_claimed_run(store)
            server.kill()
            assert await refusal(store.get_session(ME, SESSION)) == "UNAVAILABLE"
            assert await refusal(store.append(claim, [a_notice("lost", RUN)])) == "UNAVAILABLE"
