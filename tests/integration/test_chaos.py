"""A short trial of what `make chaos` does at length: runs go on and nothing is lost or doubled whatever is killed."""

from __future__ import annotations

from tests.chaos.trial import Plan, trial

SEED = 20261122


async def test_runs_end_once_and_nothing_happens_twice_whatever_is_killed() -> None:
    report = await trial(Plan(SEED, runs=20, rage_seconds=16.0, patience=120.0))
    assert not report.violations, str(report)
