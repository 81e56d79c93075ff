"""Places that a replica reserved in the shared store and never used: they are found before anybody is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from meshwright.store.interface import Quotas
from meshwright.store.redis import keys
from meshwright.store.redis.plan import now
from meshwright.store.redis.schedules import MARGIN_MICROS
from meshwright.store.redis.store import RedisStore
from meshwright.v1.run_pb2 import Usage
from tests.support.redis_server import flush
from tests.support.store_drive import ME, a_claim, a_replica, a_run, a_session, refusal

ONE = Quotas(sessions=1, open_runs=1)


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[RedisStore]:
    await flush(redis_url)
    async with a_replica(redis_url) as opened:
        yield opened


async def test_a_place_for_a_session_that_never_came_is_given_to_another(store: RedisStore, admin: Any) -> None:
    await admin.zadd(keys.sessions(ME), {"ses_lost": now()})
    assert await refusal(a_session(store, quotas=ONE)) == "QUOTA_EXCEEDED"  # it may still be coming
    await admin.zadd(keys.sessions(ME), {"ses_lost": now() - MARGIN_MICROS - 1})
    await a_session(store, quotas=ONE)
    assert await admin.zrange(keys.sessions(ME), 0, -1) == [b"ses_1"]


async def test_a_place_for_a_run_that_never_came_is_given_to_another(store: RedisStore, admin: Any) -> None:
    await a_session(store)
    await admin.zadd(keys.runs_of(ME), {"ses_1/run_lost": now()})
    assert await refusal(a_run(store, quotas=ONE)) == "QUOTA_EXCEEDED"
    await admin.zadd(keys.runs_of(ME), {"ses_1/run_lost": now() - MARGIN_MICROS - 1})
    await a_run(store, quotas=ONE)
    assert await admin.zrange(keys.runs_of(ME), 0, -1) == [b"ses_1/run_1"]


async def test_a_run_whose_end_was_not_noted_is_no_run_at_work(store: RedisStore, admin: Any) -> None:
    await a_session(store)
    await a_run(store)
    await admin.hset(keys.state("ses_1"), "run/run_1/state", 3)
    await a_run(store, "run_2", quotas=ONE)


async def test_a_count_of_tokens_that_was_lost_is_made_up_for(store: RedisStore, admin: Any) -> None:
    await a_session(store)
    await a_run(store)
    claimed = await a_claim(store)
    claimed.run.usage.CopyFrom(Usage(input_tokens=10))
    await store.append(claimed.claim, [], claimed.run)
    assert await store.tokens_today(ME) == 10
    await admin.delete(*await admin.keys("mw:p:*counted*"), *await admin.keys("mw:p:*tokens*"))
    claimed.run.usage.input_tokens = 25
    await store.append(claimed.claim, [], claimed.run)
    assert await store.tokens_today(ME) == 25


async def test_a_session_that_is_used_while_it_is_deleted_takes_no_place(store: RedisStore, admin: Any) -> None:
    await a_session(store, quotas=ONE)
    await store.delete_session(ME, "ses_1", None)
    await store._replica.touch(ME, "ses_1")
    assert await admin.zcard(keys.sessions(ME)) == 0
