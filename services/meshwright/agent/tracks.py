"""The tracks by the names that people use for them."""

from __future__ import annotations

from typing import Literal

from meshwright.v1.run_pb2 import Run, Track

TrackName = Literal["stable", "canary"]
TRACKS: dict[TrackName, Track.ValueType] = {"stable": Track.TRACK_STABLE, "canary": Track.TRACK_CANARY}


def track_of(run: Run) -> TrackName:
    """Who is to work on a run; one that was accepted before there were tracks is stable's."""
    return "canary" if run.track == Track.TRACK_CANARY else "stable"
