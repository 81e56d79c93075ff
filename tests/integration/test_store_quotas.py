"""Limits of principals, held against both real engines."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from meshwright.serving.errors import MeshError
from meshwright.store.interface import Once, Quotas, Store
from meshwright.store.refusals import today
from meshwright.v1.run_pb2 import Usage
from tests.support.store_drive import (
    ME,
    a_child,
    a_claim,
    a_run,
    a_session,
    an_end,
    finished,
    settled,
    the_end,
)

TWO_SESSIONS = Quotas(sessions=2)
TWO_RUNS = Quotas(open_runs=2)
MANY = 12


async def exceeded(work: Awaitable[object]) -> dict[str, str]:
    """What a refusal says."""
    with pytest.raises(MeshError) as caught:
        await work
    error = caught.value
    assert error.reason_name == "QUOTA_EXCEEDED"
    assert error.retry_after
    assert error.quota is not None
    assert error.quota.subject == f"principal:{ME}"
    return error.metadata


async def test_sessions_are_limited_by_principal(store: Store) -> None:
    for number in (1, 2):
        await a_session(store, f"ses_{number}", quotas=TWO_SESSIONS)
    assert await exceeded(a_session(store, "ses_3", quotas=TWO_SESSIONS)) == {"quota": "sessions", "limit": "2"}
    await a_session(store, "ses_other", "somebody", quotas=TWO_SESSIONS)
    await store.delete_session(ME, "ses_1", None)
    await a_session(store, "ses_3", quotas=TWO_SESSIONS)


async def test_a_repeated_request_is_answered_and_not_counted(store: Store) -> None:
    once = Once("request-1", b"body")
    first = await a_session(store, "ses_1", once=once, quotas=Quotas(sessions=1))
    assert await a_session(store, "ses_2", once=once, quotas=Quotas(sessions=1)) == first
    again = Once("request-2", b"body")
    run = await a_run(store, "run_1", once=again, quotas=Quotas(open_runs=1))
    assert await a_run(store, "run_2", once=again, quotas=Quotas(open_runs=1)) == run


async def test_runs_that_have_not_ended_are_limited(store: Store) -> None:
    for number in (1, 2, 3):
        await a_session(store, f"ses_{number}")
    await a_run(store, "run_1", "ses_1")
    at_work = await a_claim(store)
    await a_child(store, at_work, "run_child")
    await a_run(store, "run_2", "ses_2", quotas=TWO_RUNS)
    refused = {"quota": "concurrent_runs", "limit": "2"}
    assert await exceeded(a_run(store, "run_3", "ses_3", quotas=TWO_RUNS)) == refused

    await an_end(store, at_work)
    await a_run(store, "run_3", "ses_3", quotas=TWO_RUNS)
    assert await exceeded(a_run(store, "run_4", "ses_1", quotas=TWO_RUNS)) == refused
    await store.cancel_run(ME, "ses_2", "run_2", None, settled)
    await a_run(store, "run_4", "ses_1", quotas=TWO_RUNS)
    await store.delete_session(ME, "ses_3", None)
    await a_run(store, "run_5", "ses_1", quotas=TWO_RUNS)


async def test_a_run_that_is_refused_takes_no_place(store: Store) -> None:
    await a_session(store)
    await a_run(store, "run_1", quotas=TWO_RUNS)
    for number in range(3):
        with pytest.raises(MeshError, match="has not ended"):
            await a_run(store, f"run_refused_{number}", reject_if_busy=True, quotas=TWO_RUNS)
    await a_run(store, "run_2", quotas=TWO_RUNS)


async def test_limits_hold_when_many_ask_at_once(store: Store) -> None:
    made = await asyncio.gather(
        *(a_session(store, f"ses_{number}", quotas=TWO_SESSIONS) for number in range(MANY)), return_exceptions=True
    )
    sessions = [session.session_id for session in made if not isinstance(session, BaseException)]
    assert len(sessions) == 2
    runs = await asyncio.gather(
        *(a_run(store, f"run_{number}", sessions[number % 2], quotas=TWO_RUNS) for number in range(MANY)),
        return_exceptions=True,
    )
    assert sum(not isinstance(run, BaseException) for run in runs) == 2


async def test_tokens_are_counted_as_records_are_stored_and_the_day_has_a_limit(store: Store) -> None:
    await a_session(store)
    await a_run(store, "run_1", quotas=Quotas(tokens_per_day=100))
    first = await a_claim(store)
    for used in (30, 80):
        first.run.usage.CopyFrom(Usage(input_tokens=used, output_tokens=10))
        await store.append(first.claim, [], first.run)
        assert await store.tokens_today(ME) == used + 10
    await a_run(store, "run_2", quotas=Quotas(tokens_per_day=100))
    first.run.usage.output_tokens = 20
    await store.append(first.claim, [the_end("run_1")], finished(first.run))
    assert await store.tokens_today(ME) == 100
    assert await store.tokens_today("somebody") == 0
    refused = await exceeded(a_run(store, "run_3", quotas=Quotas(tokens_per_day=100)))
    assert refused == {"quota": "tokens_per_day", "limit": "100"}


async def test_a_day_begins_with_no_tokens(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await a_session(store)
    await a_run(store)
    claimed = await a_claim(store)
    claimed.run.usage.CopyFrom(Usage(input_tokens=30))
    await store.append(claimed.claim, [], claimed.run)
    tomorrow = today() + 1
    for module in ("sqlite", "redis"):
        monkeypatch.setattr(f"meshwright.store.{module}.quotas.today", lambda: tomorrow)
    assert await store.tokens_today(ME) == 0
    claimed.run.usage.input_tokens = 42
    await store.append(claimed.claim, [], claimed.run)
    assert await store.tokens_today(ME) == 12
