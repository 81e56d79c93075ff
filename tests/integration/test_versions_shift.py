"""The weights move from nothing to the new version to everything and back, under open streams and steady runs of two real versions."""

from __future__ import annotations

from importlib.metadata import version
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests.chaos.shift import AT_ONCE, WEIGHTS, trial
from tests.support.previous_version import PREVIOUS
from tests.support.two_versions import NEW, OLD

if TYPE_CHECKING:
    from pathlib import Path

CALLS = 1000
"""After each shift. Of fewer the split is less even: which sessions move is a matter of their hashes."""
STREAMS = 6
"""On each version; `python -m tests.chaos.shift` has more."""


@pytest.mark.timeout(300)
async def test_a_shift_between_two_versions_drops_no_stream_and_fails_no_call(tmp_path: Path, redis_url: str) -> None:
    """Nor is any run worked on by the other track than its session's: the trial itself watches over all three."""
    seen = await trial(tmp_path, redis_url, CALLS, STREAMS)
    assert seen.streams == {OLD: STREAMS, NEW: STREAMS}
    assert set(seen.steady) == {PREVIOUS.version, version("meshwright")}
    for shift in seen.shifts:
        assert abs(shift.share - shift.weight) <= 2
    assert seen.late <= AT_ONCE
    by_weight = sorted(seen.shifts, key=lambda shift: shift.weight)
    assert all(less.canary <= more.canary for less, more in pairwise(by_weight))
    assert [shift.weight for shift in seen.shifts] == list(WEIGHTS)
