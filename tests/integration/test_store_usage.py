"""What a session used: the sum of its runs, and of what it used beside them. Both engines."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from meshwright.store.interface import Draft, Store
from meshwright.v1.event_pb2 import Event, EventKind, UsageRecorded
from meshwright.v1.run_pb2 import RunState, Usage
from tests.support.store_drive import LEASE, ME, a_notice, a_run, a_session, the_end


def used(**fields: int) -> Draft:
    """Usage of a session, without a run."""
    seconds = fields.pop("seconds", 0)
    usage = Usage(**fields, currency_code="USD" if "cost_micros" in fields else "")  # type: ignore[arg-type]  # all are numbers
    if seconds:
        usage.browser_duration.FromTimedelta(timedelta(seconds=seconds))
    event = Event(session_id="ses_1", usage_recorded=UsageRecorded(usage=usage))
    return Draft(EventKind.EVENT_KIND_USAGE_RECORDED, "", event.SerializeToString())


async def test_a_session_sums_up_what_it_used_beside_its_runs(store: Store) -> None:
    await a_session(store)
    await asyncio.gather(
        store.append_to_session("ses_1", [used(seconds=2), a_notice(), used(seconds=3)]),
        store.append_to_session("ses_1", [used(seconds=5)]),
    )
    run = await a_run(store)
    claimed = await store.claim_run("me", LEASE)
    assert claimed is not None
    claimed.run.state = RunState.RUN_STATE_FINISHED
    claimed.run.usage.CopyFrom(Usage(input_tokens=7, cost_micros=11, currency_code="USD"))
    claimed.run.usage.browser_duration.FromTimedelta(timedelta(seconds=4))
    await store.append(claimed.claim, [the_end(run.run_id)], claimed.run)
    await store.append_to_session("ses_1", [used(seconds=1, cost_micros=2)])
    total = (await store.get_session(ME, "ses_1")).usage
    assert total.browser_duration.ToTimedelta() == timedelta(seconds=15)
    assert (total.input_tokens, total.cost_micros, total.currency_code) == (7, 13, "USD")


async def test_runs_that_wait_for_a_worker_are_counted(store: Store) -> None:
    assert await store.claimable_runs() == 0
    for session_id in ("ses_1", "ses_2"):
        await a_session(store, session_id)
        await a_run(store, f"run_{session_id}", session_id)
    await a_run(store, "run_behind", "ses_1")
    # One that waits behind another of its session waits for no worker.
    assert await store.claimable_runs() == 2
    assert await store.claim_run("me", LEASE) is not None
    assert await store.claimable_runs() == 1
