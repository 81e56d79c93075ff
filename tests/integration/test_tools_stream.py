"""The life of an Execute stream on a real server: how it begins, ends, breaks and drains; and the list of tools."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import grpc
import pytest

from meshwright.serving.errors import MeshError
from meshwright.tools import execution
from meshwright.v1 import stream_pb2, tool_pb2, tool_service_pb2
from tests.support.scripted_tools import Gates, scripted_tools
from tests.support.tool_stream import ToolClient, reason, tool_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


SUCCEEDED = tool_pb2.TOOL_OUTCOME_SUCCEEDED
CANCELLED = tool_pb2.TOOL_OUTCOME_CANCELLED


@pytest.fixture
def gates() -> Gates:
    return Gates()


@pytest.fixture
async def tools(tmp_path: Path, gates: Gates) -> AsyncIterator[ToolClient]:
    async with tool_server(tmp_path, scripted_tools(gates, asyncio.Barrier(10)), tools_waiting_calls=40) as client:
        yield client


def stream_reason(error: grpc.aio.AioRpcError | None) -> str:
    assert error is not None
    return MeshError.from_rpc_error(error).reason_name


async def test_closing_cancels_what_runs_and_sends_every_completion(tools: ToolClient, gates: Gates) -> None:
    async with tools.stream() as stream:
        calls = [stream.call("test.gate", {"name": name}) for name in "abc"]
        for call in calls:
            await stream.started(call)
        await stream.close()

    assert stream.error is None
    outcomes = {
        f.call_finished.call_id: f.call_finished.completion.outcome for f in stream.frames if f.call_finished.call_id
    }
    assert outcomes == dict.fromkeys(calls, CANCELLED)
    assert sorted(gates.stopped) == ["a", "b", "c"]


async def test_an_end_without_close_is_a_disconnect_and_stops_every_call(tools: ToolClient, gates: Gates) -> None:
    async with tools.stream() as stream:
        await stream.started(stream.call("test.gate", {"name": "never"}))
        stream.half_close()
        await stream.end()

    assert gates.stopped == ["never"]
    assert stream_reason(stream.error) == "STREAM_PROTOCOL"


async def test_a_client_that_vanishes_stops_every_call(tools: ToolClient, gates: Gates) -> None:
    async with tools.stream() as stream:
        for name in "ab":
            await stream.started(stream.call("test.gate", {"name": name}))
        await stream.abandon()

    await gates.until(lambda: sorted(gates.stopped) == ["a", "b"])
    await asyncio.wait_for(tools.server._observer.quiet(), 30)


async def test_clients_that_vanish_at_once_leave_nothing_claimed(tools: ToolClient, gates: Gates) -> None:
    for number in range(40):
        async with tools.stream() as stream:
            for _ in range(1 + number % 3):
                stream.call("test.keyed", {"key": "a", "name": "never"})
            for _ in range(number % 5):
                await asyncio.sleep(0)
    gates.open("last")
    async with tools.stream() as stream:
        assert (await stream.run("test.keyed", {"key": "a", "name": "last"})).outcome == SUCCEEDED
    await asyncio.wait_for(tools.server._observer.quiet(), 30)
    assert len(tools.server.servicer._bench.order) == 0


async def test_a_reader_that_stands_still_holds_calls_back_and_loses_nothing(tools: ToolClient, gates: Gates) -> None:
    """HTTP/2 lets some megabytes through; beyond them the calls wait, and go on when the reader does."""
    rpc = tools.stub.Execute()
    start = tool_service_pb2.ExecuteStart(session_id="ses_1")
    await rpc.write(tool_service_pb2.ExecuteRequest(command_id="c0", start=start))
    for number in range(40):
        call = tool_pb2.ToolCall(call_id=f"call_{number}", tool="test.fill")
        call.arguments.update({"size": 400_000})
        await rpc.write(tool_service_pb2.ExecuteRequest(command_id=f"c{number + 1}", call=call))
    finished: list[str] = []
    async with asyncio.timeout(30):
        while len(finished) < 40:
            frame = await rpc.read()
            assert isinstance(frame, tool_service_pb2.ExecuteResponse)
            if frame.HasField("call_finished"):
                finished.append(frame.call_finished.call_id)
    rpc.cancel()
    assert sorted(finished) == sorted(f"call_{number}" for number in range(40))


@pytest.mark.parametrize(
    "first",
    [
        tool_service_pb2.ExecuteRequest(command_id="c1", call=tool_pb2.ToolCall(call_id="c", tool="test.gate")),
        tool_service_pb2.ExecuteRequest(command_id="c1", cancel=tool_service_pb2.CancelCall(call_id="c")),
        tool_service_pb2.ExecuteRequest(command_id="c1", close=stream_pb2.Close()),
    ],
    ids=lambda first: str(first.WhichOneof("command")),
)
async def test_a_stream_begins_with_start(tools: ToolClient, first: tool_service_pb2.ExecuteRequest) -> None:
    rpc = tools.stub.Execute(iter([first]))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rpc.read()
    error = MeshError.from_rpc_error(caught.value)
    assert (error.reason_name, error.metadata) == ("STREAM_PROTOCOL", {"expected": "start"})


async def test_a_second_start_ends_the_stream(tools: ToolClient) -> None:
    async with tools.stream() as stream:
        stream.send(start=tool_service_pb2.ExecuteStart(session_id="ses_2"))
        await stream.end()
    assert stream_reason(stream.error) == "STREAM_PROTOCOL"


async def test_a_session_id_that_is_none_is_refused_with_its_field(tools: ToolClient) -> None:
    async with tools.stream(session_id="../ses") as stream:
        await stream.end()
    assert stream.error is not None
    error = MeshError.from_rpc_error(stream.error)
    assert error.reason_name == "INVALID_FIELDS"
    assert [violation.field for violation in error.violations] == ["start.session_id"]


async def test_silence_is_filled_with_heartbeats(tools: ToolClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "HEARTBEAT_SECONDS", 0.02)
    async with tools.stream() as stream:
        frame = await stream.wait_for(lambda f: f.HasField("heartbeat"))
    assert frame.heartbeat.time.seconds > 0


async def test_a_server_that_drains_says_so_takes_no_new_calls_and_lets_running_ones_end(
    tools: ToolClient, gates: Gates
) -> None:
    async with tools.stream() as stream:
        running = stream.call("test.gate", {"name": "last"})
        await stream.started(running)
        stopping = asyncio.create_task(tools.server.stop())
        leaving = await stream.wait_for(lambda f: f.HasField("going_away"))
        refused = await stream.run("test.talk", {"size": 0})
        gates.open("last")
        done = await stream.completion(running)
        await stream.close()
        await stopping

    assert leaving.going_away.grace.seconds == 1
    assert reason(refused.error) == "UNAVAILABLE"
    assert done.outcome == SUCCEEDED
    assert stream.error is None


async def test_a_stream_that_outlasts_the_grace_is_ended_with_a_reason(tools: ToolClient, gates: Gates) -> None:
    async with tools.stream() as stream:
        await stream.started(stream.call("test.gate", {"name": "never"}))
        stopping = asyncio.create_task(tools.server.stop())
        await stream.end()
        await stopping

    assert stream_reason(stream.error) == "UNAVAILABLE"
    assert (
        MeshError.from_rpc_error(cast("grpc.aio.AioRpcError", stream.error)).message == "The server is shutting down."
    )
    assert gates.stopped == ["never"]


async def test_tools_are_listed_in_pages(tools: ToolClient) -> None:
    names: list[str] = []
    token = ""
    while True:
        page = await tools.stub.ListTools(tool_service_pb2.ListToolsRequest(page_size=3, page_token=token))
        names += [tool.name for tool in page.tools]
        token = page.next_page_token
        if not token:
            break
    assert names == sorted(names)
    assert len(names) == 7


async def test_a_made_up_page_token_is_refused(tools: ToolClient) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await tools.stub.ListTools(tool_service_pb2.ListToolsRequest(page_token="z"))
    assert MeshError.from_rpc_error(caught.value).reason_name == "INVALID_PAGE_TOKEN"
