"""The frames of an Execute stream."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from meshwright.v1 import stream_pb2, tool_service_pb2
from meshwright.v1.tool_service_pb2 import ExecuteResponse as Frame

if TYPE_CHECKING:
    from google.rpc.status_pb2 import Status

    from meshwright.v1.browser_pb2 import Lease
    from meshwright.v1.tool_pb2 import ToolCompletion, ToolProgress

__all__ = [
    "Frame",
    "browser_leased",
    "browser_released",
    "browser_state",
    "call_finished",
    "call_progress",
    "call_started",
    "going_away",
    "heartbeat",
    "started",
]


def started() -> Frame:
    """The stream is open."""
    return Frame(started=tool_service_pb2.ExecuteStarted())


def call_started(call_id: str) -> Frame:
    """A worker has begun the call."""
    return Frame(call_started=tool_service_pb2.CallStarted(call_id=call_id))


def call_progress(call_id: str, progress: ToolProgress) -> Frame:
    """News of the call."""
    return Frame(call_progress=tool_service_pb2.CallProgress(call_id=call_id, progress=progress))


def call_finished(call_id: str, completion: ToolCompletion) -> Frame:
    """The call ended."""
    return Frame(call_finished=tool_service_pb2.CallFinished(call_id=call_id, completion=completion))


def browser_leased(lease: Lease) -> Frame:
    """The session has a browser."""
    return Frame(
        browser_leased=tool_service_pb2.BrowserLeased(
            lease_id=lease.lease_id,
            viewport_width=lease.viewport.width,
            viewport_height=lease.viewport.height,
        )
    )


def browser_released(lease_id: str, held_seconds: float, reason: Status | None) -> Frame:
    """The session's browser is gone; `reason` is None when it was given back."""
    return Frame(
        browser_released=tool_service_pb2.BrowserReleased(
            lease_id=lease_id, held_duration=_duration(held_seconds), reason=reason
        )
    )


def browser_state(storage_state: bytes, url: str) -> Frame:
    """What a later browser needs to go on where this one was."""
    return Frame(browser_state=tool_service_pb2.BrowserState(storage_state=storage_state, url=url))


def heartbeat() -> Frame:
    """Nothing happened for a while."""
    now = Timestamp()
    now.FromNanoseconds(time.time_ns())
    return Frame(heartbeat=stream_pb2.Heartbeat(time=now))


def going_away(grace_seconds: float) -> Frame:
    """The server is about to drain."""
    return Frame(going_away=stream_pb2.GoingAway(grace=_duration(grace_seconds)))


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromMicroseconds(round(seconds * 1e6))
    return duration
