"""The frames on their way to a client: order, bounds, heartbeat, end."""

from __future__ import annotations

import asyncio

import pytest

from meshwright.browser import outbox
from meshwright.browser.outbox import Outbox
from meshwright.serving.errors import MeshError
from meshwright.v1 import browser_pb2
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.browser_service_pb2 import CommandResult, DriveResponse


def result(command_id: str, size: int = 0) -> DriveResponse:
    capture = browser_pb2.PageCapture(data=b"x" * size)
    return DriveResponse(result=CommandResult(command_id=command_id, result=browser_pb2.BrowserResult(capture=capture)))


def event() -> DriveResponse:
    return DriveResponse(event=browser_pb2.PageEvent(crash=browser_pb2.Crash()))


async def test_frames_come_in_order_until_the_end() -> None:
    box = Outbox()
    for command_id in "abc":
        box.put(result(command_id))
    box.finish()
    box.put(result("late"))
    assert [frame.result.command_id async for frame in box.frames()] == ["a", "b", "c"]


async def test_an_error_comes_after_the_frames_before_it() -> None:
    box = Outbox()
    box.put(result("a"))
    box.finish(MeshError(reasons.ERROR_REASON_BROWSER_CRASHED, "Gone."))
    box.finish()
    frames = box.frames()
    assert (await anext(frames)).result.command_id == "a"
    with pytest.raises(MeshError, match="Gone"):
        await anext(frames)


async def test_a_reader_that_waits_is_woken() -> None:
    box = Outbox()
    frames = box.frames()
    waiting = asyncio.ensure_future(anext(frames))
    await asyncio.sleep(0)
    box.put(result("a"))
    assert (await waiting).result.command_id == "a"


async def test_silence_is_filled_with_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "HEARTBEAT_SECONDS", 0.01)
    box = Outbox()
    frames = box.frames()
    for _ in range(2):
        frame = await anext(frames)
        assert frame.WhichOneof("frame") == "heartbeat"
        assert frame.heartbeat.time.seconds
    box.put(result("a"))
    assert (await anext(frames)).result.command_id == "a"


async def test_events_beyond_the_bound_are_left_out_and_results_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MAX_EVENTS", 3)
    box = Outbox()
    for _ in range(5):
        box.put_event(event())
    box.put(result("a"))
    box.finish()
    kinds = [frame.WhichOneof("frame") async for frame in box.frames()]
    assert kinds == ["event", "event", "event", "result"]


async def test_a_reader_that_is_too_slow_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MAX_BYTES", 1000)
    box = Outbox()
    box.put(result("large", 5000))
    assert (await anext(box.frames())).result.command_id == "large"
    for command_id in "abc":
        box.put(result(command_id, 400))
    with pytest.raises(MeshError) as cut:
        await anext(box.frames())
    assert (cut.value.reason_name, cut.value.code.name) == ("READER_TOO_SLOW", "RESOURCE_EXHAUSTED")
