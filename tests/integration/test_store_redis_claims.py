"""Replicas that claim a run of the shared store while its holder ends it: one of them is too late."""

from __future__ import annotations

import asyncio
from pathlib import Path

from meshwright.serving.errors import MeshError
from meshwright.store.interface import ClaimedRun, Store
from meshwright.store.opening import open_store
from meshwright.v1.run_pb2 import RunOutcome, RunState
from tests.support.store_drive import a_notice, a_run, a_session, a_store, the_end

ROUNDS = 150
OVERDUE = 0.001


async def test_a_run_that_ends_is_not_claimed_in_the_same_moment(redis_url: str, tmp_path: Path) -> None:
    async with a_store(redis_url, tmp_path) as first:
        second = await open_store(redis_url, tmp_path / "unused")
        await a_session(first)
        for number in range(ROUNDS):
            run_id = f"run_{number}"
            await a_run(first, run_id)
            held = await first.claim_run("first", OVERDUE)
            assert held is not None
            ended, claimed = await asyncio.gather(_end(first, held, number), _claim(second))
            assert ended == (claimed is None), f"ended: {ended}, claimed: {claimed}"
            if claimed is not None:
                await _end(second, claimed, number)
        await second.close()


async def _end(store: Store, held: ClaimedRun, number: int) -> bool:
    """End the run, after some appends more or less; False where it is another's."""
    run = held.run
    try:
        for _ in range(number % 4):
            await store.append(held.claim, [a_notice("once more", run.run_id)])
        run.state, run.outcome = RunState.RUN_STATE_FINISHED, RunOutcome.RUN_OUTCOME_COMPLETED
        await store.append(held.claim, [the_end(run.run_id)], run)
    except MeshError as error:
        if error.reason_name != "RUN_CLAIM_LOST":
            raise
        return False
    return True


async def _claim(store: Store) -> ClaimedRun | None:
    """Claim what is overdue, looking several times."""
    for _ in range(4):
        if (claimed := await store.claim_run("second", 30.0)) is not None:
            return claimed
    return None
