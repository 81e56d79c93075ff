"""What tests of the stores do again and again: sessions, runs and events, without an agent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from meshwright.serving.errors import MeshError
from meshwright.store.interface import NO_QUOTAS, Claim, ClaimedRun, Draft, Once, Quotas, Store
from meshwright.store.live import Subscription
from meshwright.store.opening import open_store
from meshwright.store.redis.store import RedisStore
from meshwright.store.stored_event import StoredEvent
from meshwright.v1.event_pb2 import Event, EventKind, Notice, RunFinished
from meshwright.v1.run_pb2 import Run, RunOutcome, RunSpec, RunState, Track
from meshwright.v1.session_pb2 import Session
from tests.support.redis_server import flush

ME = "local"
LEASE = 30.0


@asynccontextmanager
async def a_store(address: str, folder: Path) -> AsyncIterator[Store]:
    """A store with nothing in it."""
    if address:
        await flush(address)
    opened = await open_store(address, folder / "store.sqlite3")
    yield opened
    await opened.close()


@asynccontextmanager
async def a_replica(url: str) -> AsyncIterator[RedisStore]:
    """A store on a server as it is, for what only the shared store promises."""
    opened = await RedisStore.open(url)
    yield opened
    await opened.close()


@asynccontextmanager
async def two_replicas(url: str) -> AsyncIterator[tuple[RedisStore, RedisStore]]:
    """Two stores on a server with nothing in it."""
    await flush(url)
    async with a_replica(url) as first, a_replica(url) as second:
        yield first, second


async def taken(subscription: Subscription, count: int) -> list[StoredEvent]:
    """So many events of a live tail."""
    events: list[StoredEvent] = []
    async with asyncio.timeout(30):
        while len(events) < count:
            await subscription.wait()
            events += subscription.take()
    return events


def a_notice(text: str = "hello", run_id: str = "") -> Draft:
    event = Event(session_id="ses_1", run_id=run_id, notice=Notice(text=text))
    return Draft(EventKind.EVENT_KIND_NOTICE, run_id, event.SerializeToString())


def the_end(run_id: str) -> Draft:
    event = Event(run_id=run_id, run_finished=RunFinished(outcome=RunOutcome.RUN_OUTCOME_COMPLETED))
    return Draft(EventKind.EVENT_KIND_RUN_FINISHED, run_id, event.SerializeToString())


async def a_session(
    store: Store,
    session_id: str = "ses_1",
    principal: str = ME,
    once: Once | None = None,
    quotas: Quotas = NO_QUOTAS,
) -> Session:
    return await store.create_session(Session(session_id=session_id, principal=principal), once, quotas)


def an_unstored_run(run_id: str, session_id: str = "ses_1", track: Track.ValueType = Track.TRACK_UNSPECIFIED) -> Run:
    spec = RunSpec(task=f"task of {run_id}")
    run = Run(run_id=run_id, session_id=session_id, state=RunState.RUN_STATE_QUEUED, spec=spec, track=track)
    run.create_time.GetCurrentTime()
    return run


async def a_run(
    store: Store,
    run_id: str = "run_1",
    session_id: str = "ses_1",
    *,
    once: Once | None = None,
    reject_if_busy: bool = False,
    quotas: Quotas = NO_QUOTAS,
    principal: str = ME,
    track: Track.ValueType = Track.TRACK_UNSPECIFIED,
) -> Run:
    run = an_unstored_run(run_id, session_id, track)
    drafts = [a_notice("queued", run_id)]
    return await store.enqueue_run(principal, run, drafts, once, reject_if_busy=reject_if_busy, quotas=quotas)


async def a_claim(store: Store, lease_seconds: float = LEASE, owner: str = "me") -> ClaimedRun:
    """The next run, which there must be."""
    claimed = await store.claim_run(owner, lease_seconds)
    assert claimed is not None
    return claimed


async def a_claimed_run(store: Store, lease_seconds: float = LEASE, owner: str = "first") -> Claim:
    """A claim on the first run of a new session."""
    await a_session(store)
    await a_run(store)
    return (await a_claim(store, lease_seconds, owner)).claim


async def a_child(store: Store, claimed: ClaimedRun, run_id: str) -> ClaimedRun:
    session_id = claimed.claim.session_id
    return await store.enqueue_child(claimed.claim, an_unstored_run(run_id, session_id), [a_notice("queued", run_id)])


async def an_end(store: Store, claimed: ClaimedRun, at: float | None = None) -> list[StoredEvent]:
    """The run's end as completed."""
    return await store.append(claimed.claim, [the_end(claimed.run.run_id)], finished(claimed.run, at))


def finished(run: Run, at: float | None = None) -> Run:
    """The run as completed, at a time in seconds since 1970 or now."""
    run.state = RunState.RUN_STATE_FINISHED
    run.outcome = RunOutcome.RUN_OUTCOME_COMPLETED
    run.finish_time.FromMicroseconds(int((time.time() if at is None else at) * 1e6))
    return run


def settled(run: Run) -> tuple[Run, Draft]:
    run.state = RunState.RUN_STATE_FINISHED
    run.outcome = RunOutcome.RUN_OUTCOME_CANCELLED
    run.finish_time.GetCurrentTime()
    return run, the_end(run.run_id)


async def sequences(store: Store, session_id: str = "ses_1", after: int = 0) -> list[int]:
    return [event.sequence for event in await store.read(session_id, after, 10_000)]


async def refusal(work: Awaitable[object]) -> str:
    with pytest.raises(MeshError) as caught:
        await work
    return caught.value.reason_name


async def texts(store: Store, session_id: str = "ses_1") -> list[str]:
    """What the notices of the log say; their sequences have no gap."""
    stored = await store.read(session_id, 0, 100_000)
    assert [event.sequence for event in stored] == list(range(1, len(stored) + 1))
    return [Event.FromString(event.payload).notice.text for event in stored]
