"""Calls of tools, many at once on one stream or one alone, on a real server: order, ends, bounds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from meshwright.serving.errors import MeshError
from meshwright.v1 import tool_pb2, tool_service_pb2
from tests.support.scripted_tools import Gates, scripted_tools
from tests.support.tool_stream import ToolClient, reason, structured, tool_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from typing import Any

    from meshwright.v1.tool_pb2 import ToolCompletion

SUCCEEDED = tool_pb2.TOOL_OUTCOME_SUCCEEDED
FAILED = tool_pb2.TOOL_OUTCOME_FAILED
CANCELLED = tool_pb2.TOOL_OUTCOME_CANCELLED
EXPIRED = tool_pb2.TOOL_OUTCOME_EXPIRED


@pytest.fixture
def gates() -> Gates:
    return Gates()


@pytest.fixture
async def tools(tmp_path: Path, gates: Gates) -> AsyncIterator[ToolClient]:
    async with tool_server(tmp_path, scripted_tools(gates, asyncio.Barrier(10)), tools_waiting_calls=40) as client:
        yield client


async def test_ten_calls_that_wait_for_one_another_all_end(tools: ToolClient) -> None:
    async with tools.stream() as stream:
        calls = [stream.call("test.meet", {"name": str(number)}) for number in range(10)]
        for call in calls:
            assert (await stream.completion(call)).outcome == SUCCEEDED


async def test_a_call_that_ends_early_is_answered_before_one_that_began_before_it(
    tools: ToolClient, gates: Gates
) -> None:
    async with tools.stream() as stream:
        slow = stream.call("test.gate", {"name": "slow"})
        await stream.started(slow)
        assert (await stream.run("test.talk", {"size": 1})).outcome == SUCCEEDED
        gates.open("slow")
        done = await stream.completion(slow)

    assert done.outcome == SUCCEEDED
    assert done.result.text == "passed slow"
    assert structured(done) == {"name": "slow"}
    assert done.duration.ToMicroseconds() > 0
    assert stream.kinds()[0] == "started"


async def test_calls_of_one_key_run_in_order_of_arrival_and_others_do_not_wait(tools: ToolClient, gates: Gates) -> None:
    async with tools.stream() as stream:
        calls = [stream.call("test.keyed", {"key": "a", "name": name}) for name in ("a1", "a2", "a3")]
        other = stream.call("test.keyed", {"key": "b", "name": "b1"})
        gates.open("b1")
        await stream.completion(other)
        assert gates.passing.count("a2") == gates.passing.count("a3") == 0
        stream.cancel(calls[1])
        assert (await stream.completion(calls[1])).outcome == CANCELLED
        assert "a3" not in gates.passing
        gates.open("a3")
        gates.open("a1")
        await stream.completion(calls[2])

    assert [name for name in gates.passing if name.startswith("a")] == ["a1", "a3"]


async def test_more_calls_than_may_run_at_once_wait_for_their_turn(tmp_path: Path, gates: Gates) -> None:
    async with (
        tool_server(tmp_path, scripted_tools(gates), tools_parallel_calls=2) as tools,
        tools.stream() as stream,
    ):
        calls = [stream.call("test.gate", {"name": str(number)}) for number in range(3)]
        await stream.started(calls[0])
        await stream.started(calls[1])
        await stream.run("test.unknown")
        assert gates.passing == ["0", "1"]
        gates.open("0")
        await stream.started(calls[2])


async def test_a_cancelled_call_stops_and_says_so_once(tools: ToolClient, gates: Gates) -> None:
    async with tools.stream() as stream:
        call = stream.call("test.gate", {"name": "never"})
        await stream.started(call)
        stream.cancel(call)
        stream.cancel(call)
        done = await stream.completion(call)
        await stream.close()

    assert done.outcome == CANCELLED
    assert reason(done.error) == "TOOL_CANCELLED"
    assert gates.stopped == ["never"]
    assert stream.kinds().count("call_finished") == 1


async def test_a_call_is_cancelled_even_before_it_begins(tools: ToolClient, gates: Gates) -> None:
    async with tools.stream() as stream:
        call = stream.call("test.gate", {"name": "never"})
        stream.cancel(call)
        assert (await stream.completion(call)).outcome == CANCELLED


async def test_cancelling_an_unknown_call_changes_nothing(tools: ToolClient) -> None:
    async with tools.stream() as stream:
        stream.cancel("call_nobody_knows")
        assert (await stream.run("test.talk", {"size": 0})).outcome == SUCCEEDED


async def test_a_call_that_passes_its_deadline_expires(tools: ToolClient, gates: Gates) -> None:
    async with tools.stream() as stream:
        done = await stream.run("test.gate", {"name": "never"}, timeout=0.05)

    assert done.outcome == EXPIRED
    error = MeshError.from_status(done.error)
    assert (error.reason_name, error.metadata) == ("DEADLINE_EXCEEDED", {"timeout_ms": "50"})
    assert gates.stopped == ["never"]


async def test_a_defect_in_a_tool_is_told_by_an_error_id_and_never_by_its_text(tools: ToolClient) -> None:
    async with tools.stream() as stream:
        done = await stream.run("test.break", {"name": "the vault"})

    assert done.outcome == FAILED
    error = MeshError.from_status(done.error)
    assert error.reason_name == "INTERNAL"
    assert error.metadata["error_id"]
    assert b"secret" not in done.SerializeToString()


@pytest.mark.parametrize(
    ("tool", "arguments", "expected", "said"),
    [
        ("test.gat", {}, "TOOL_NOT_FOUND", "test.gate"),
        ("test.keyed", {"kay": 1}, "TOOL_ARGUMENTS", "arguments.key is required; arguments.kay is not an argument"),
    ],
)
async def test_a_call_that_cannot_run_fails_and_leaves_the_stream_open(
    tools: ToolClient, tool: str, arguments: dict[str, Any], expected: str, said: str
) -> None:
    async with tools.stream() as stream:
        done = await stream.run(tool, arguments)
        assert (await stream.run("test.talk", {"size": 0})).outcome == SUCCEEDED

    assert done.outcome == FAILED
    assert reason(done.error) == expected
    assert said in done.error.message
    assert stream.kinds().count("call_started") == 1


async def test_a_call_id_in_use_is_refused_and_free_again_afterwards(tools: ToolClient, gates: Gates) -> None:
    async with tools.stream() as stream:
        stream.call("test.gate", {"name": "one"}, call_id="call_same")
        await stream.started("call_same")
        refused = await stream.run("test.gate", {"name": "two"}, call_id="call_same")
        assert reason(refused.error) == "CALL_ID_IN_USE"
        gates.open("one")
        await stream.wait_for(lambda f: f.call_finished.completion.result.text == "passed one")
        again = stream.call("test.gate", {"name": "one"}, call_id="call_same")
        await stream.close()

    assert again == "call_same"
    assert stream.kinds().count("call_finished") == 3


async def test_too_many_calls_are_refused_by_the_quota(tools: ToolClient, gates: Gates) -> None:
    async with tools.stream() as stream:
        calls = [stream.call("test.gate", {"name": "all"}) for _ in range(41)]
        refused = await stream.completion(calls[-1])
        gates.open("all")
        for call in calls[:-1]:
            assert (await stream.completion(call)).outcome == SUCCEEDED

    error = MeshError.from_status(refused.error)
    assert error.reason_name == "QUOTA_EXCEEDED"
    assert error.quota is not None
    assert error.quota.limit == 40


async def test_news_come_in_order_before_the_end_and_within_their_bounds(tools: ToolClient) -> None:
    async with tools.stream() as stream:
        call = stream.call("test.talk", {"size": 200})
        await stream.completion(call)

    news = [f.call_progress.progress for f in stream.frames if f.HasField("call_progress")]
    assert [n.message for n in news[:-1]] == [f"step {number}" for number in range(200)]
    assert len(news[-1].message) == 1024
    assert len(news[-1].output.encode()) <= 16 * 1024
    assert news[-1].fraction == 1.0
    assert stream.kinds()[-1] == "call_finished"


async def test_work_that_takes_longer_than_a_second_says_what_it_does(tools: ToolClient, gates: Gates) -> None:
    async with tools.stream() as stream:
        call = stream.call("test.slow", {"name": "a"})
        await stream.wait_for(lambda f: f.call_progress.progress.message == "Still waiting")
        gates.open("a")
        await stream.completion(call)
        await stream.run("test.slow", {"name": "a"})

    assert stream.kinds().count("call_progress") == 1


async def test_a_result_is_kept_within_its_bounds(tools: ToolClient) -> None:
    async with tools.stream() as stream:
        fits: ToolCompletion = await stream.run("test.fill", {"size": 60_000})
        large: ToolCompletion = await stream.run("test.fill", {"size": 2_000_000})

    assert not fits.result.truncated
    assert len(structured(fits)["name"]) == 60_000
    assert large.result.truncated
    assert len(large.result.text.encode()) <= 64 * 1024
    assert large.result.text.endswith("[cut here: 2000000 bytes in all]")
    assert large.ByteSize() < 1024 * 1024


async def test_call_gives_progress_and_then_one_completion(tools: ToolClient) -> None:
    call = tool_pb2.ToolCall(call_id="call_1", tool="test.talk")
    call.arguments.update({"size": 2})
    request = tool_service_pb2.CallRequest(session_id="ses_1", call=call)
    kinds = [response.WhichOneof("frame") async for response in tools.stub.Call(request)]
    assert kinds == ["progress", "progress", "progress", "completion"]


async def test_a_caller_of_call_that_vanishes_stops_it(tools: ToolClient, gates: Gates) -> None:
    call = tool_pb2.ToolCall(call_id="call_1", tool="test.gate")
    call.arguments.update({"name": "never"})
    rpc = tools.stub.Call(tool_service_pb2.CallRequest(session_id="ses_1", call=call))
    await gates.until(lambda: bool(gates.passing))
    rpc.cancel()
    await gates.until(lambda: gates.stopped == ["never"])
