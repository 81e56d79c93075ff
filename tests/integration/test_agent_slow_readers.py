"""Watchers that stop reading: they are cut off with a reason, cost little memory, slow nobody down, and come back by their cursor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest

from meshwright.serving.errors import MeshError
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
from meshwright.v1.event_pb2 import Event
from meshwright.v1.run_pb2 import RunSpec
from tests.model_script import Call, Request, Say, Steps
from tests.support.agent_process import agent_process

PATIENCE = 60.0
READS, READS_OF_A_STEP = 320, 16
TEXT = ("x" * 99 + "\n") * 550
MIB = 1 << 20


def reading_much(request: Request) -> Steps:
    """Writes a large file, reads it again and again, and says that it is done."""
    if request.step == 0:
        return Call("file.write", {"path": "large.txt", "content": TEXT})
    if request.step <= READS // READS_OF_A_STEP:
        return [Call("file.read", {"path": "large.txt"})] * READS_OF_A_STEP
    return Say("Done.")


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[tuple[AgentServiceStub, psutil.Process]]:
    with agent_process(tmp_path, f"{__name__}:reading_much", MESHWRIGHT_HISTORY_BUDGET="10000") as address:
        (process,) = [p for p in psutil.Process().children() if "serve agent" in " ".join(p.cmdline())]
        # A client's own buffers are no place for what it does not read.
        small = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65536))
        async with grpc.aio.insecure_channel(
            address, options=(*small, ("grpc.use_local_subchannel_pool", 1))
        ) as channel:
            yield AgentServiceStub(channel), process


def watch(stub: AgentServiceStub, session_id: str, cursor: int = 0) -> Any:
    return stub.WatchSession(pb.WatchSessionRequest(session_id=session_id, after_sequence=cursor))


async def converse(stub: AgentServiceStub, session_id: str, cursor: int = 0) -> Any:
    stream = stub.Converse()
    start = pb.ConverseStart(session_id=session_id, after_sequence=cursor)
    await stream.write(pb.ConverseRequest(command_id="join", start=start))
    return stream


async def read_on(stream: Any) -> tuple[list[Event], MeshError | None]:
    """What a stream still gives until the run's end, and why it ends before that."""
    events: list[Event] = []
    try:
        async with asyncio.timeout(PATIENCE):
            while (frame := await stream.read()) is not grpc.aio.EOF:
                events += frame.events
                if any(event.HasField("run_finished") for event in frame.events):
                    break
    except grpc.aio.AioRpcError as error:
        return events, MeshError.from_rpc_error(error)
    return events, None


async def read_much(stub: AgentServiceStub, session_id: str) -> list[Event]:
    """All events of a run with large results, as somebody sees them who reads."""
    reading = asyncio.create_task(read_on(watch(stub, session_id)))
    spec = RunSpec(task="read")
    spec.options.max_steps = 100
    await stub.StartRun(pb.StartRunRequest(session_id=session_id, spec=spec))
    events, error = await reading
    assert error is None
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    return events


async def test_who_stops_reading_is_cut_off_and_comes_back(agent: tuple[AgentServiceStub, psutil.Process]) -> None:
    stub, process = agent
    session_id = (await stub.CreateSession(pb.CreateSessionRequest(), wait_for_ready=True)).session.session_id
    # Whatever such a run takes by itself is taken once before.
    await read_much(stub, (await stub.CreateSession(pb.CreateSessionRequest())).session.session_id)
    slow = [watch(stub, session_id), await converse(stub, session_id)]
    for stream in slow:
        await stream.read()
    before = process.memory_info().rss
    whole = await read_much(stub, session_id)
    grown = (process.memory_info().rss - before) / MIB
    size = sum(event.ByteSize() for event in whole) / MIB
    assert size > READS * len(TEXT) / MIB
    assert grown < size / 2, f"{grown:.0f} MiB for {size:.0f} MiB of events"
    for stream, door in zip(slow, (watch, converse), strict=True):
        seen, error = await read_on(stream)
        assert error is not None
        assert error.reason_name == "READER_TOO_SLOW"
        assert error.code == grpc.StatusCode.RESOURCE_EXHAUSTED
        cursor = seen[-1].sequence if seen else 0
        again = door(stub, session_id, cursor)
        rest, error = await read_on(await again if door is converse else again)
        assert error is None
        assert seen + rest == whole
