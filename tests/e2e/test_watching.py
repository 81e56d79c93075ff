"""Streams that stay open, several that see the same, and sessions that go on where they were."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import grpc
import pytest

from meshwright.client import Event, NotFound, RunFinished
from meshwright.client import Mesh as Client
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
from meshwright.v1.run_pb2 import RunSpec
from meshwright.v1.stream_pb2 import Close
from tests.model_script import Tokens
from tests.model_server import ModelServer
from tests.support import grpc_web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.mesh_process import MeshProcess

PATIENCE = 60.0
WATCH = "/meshwright.v1.AgentService/WatchSession"


class Eyes:
    """What one stream has shown so far: its heartbeats and its events."""

    def __init__(self) -> None:
        self.events: list[bytes] = []
        self.beat = asyncio.Event()
        self.ended = False

    def see(self, frame: pb.WatchSessionResponse | pb.ConverseResponse) -> bool:
        """Takes a frame; says whether the run has ended."""
        if frame.HasField("heartbeat"):
            self.beat.set()
        self.events += [event.SerializeToString(deterministic=True) for event in frame.events]
        return any(event.HasField("run_finished") for event in frame.events)


async def watch_native(channel: grpc.aio.Channel, session_id: str, eyes: Eyes) -> None:
    async for frame in AgentServiceStub(channel).WatchSession(pb.WatchSessionRequest(session_id=session_id)):
        if eyes.see(frame):
            return


async def watch_web(http: aiohttp.ClientSession, address: str, session_id: str, eyes: Eyes) -> None:
    body = pb.WatchSessionRequest(session_id=session_id).SerializeToString()
    async with grpc_web.start(http, address, WATCH, body) as answer:
        async for message in answer:
            if eyes.see(pb.WatchSessionResponse.FromString(message)):
                return


async def converse(channel: grpc.aio.Channel, session_id: str, eyes: Eyes, speak: asyncio.Event) -> None:
    """Joins the session, says nothing until it may, then gives a task on the same stream."""
    stream = AgentServiceStub(channel).Converse()
    await stream.write(pb.ConverseRequest(command_id="join", start=pb.ConverseStart(session_id=session_id)))

    async def give_task() -> None:
        await speak.wait()
        spec = RunSpec(task="talk")
        await stream.write(pb.ConverseRequest(command_id="task", start_run=pb.StartRunCommand(spec=spec)))

    giving = asyncio.create_task(give_task())
    async for frame in stream:
        if eyes.see(frame):
            await stream.write(pb.ConverseRequest(command_id="close", close=Close()))
    await giving


async def test_quiet_streams_are_kept_open_and_all_see_the_same_when_something_happens(
    mesh: MeshProcess, model_port: int
) -> None:
    """15 s without a word is what proxies usually end a stream after; a heartbeat comes then, and everything goes on."""
    eyes = [Eyes() for _ in range(4)]
    speak = asyncio.Event()
    async with (
        Client(mesh.address) as client,
        grpc.aio.insecure_channel(mesh.address) as channel,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as http,
        ModelServer(Tokens(200, 0.01), model_port),
        asyncio.timeout(PATIENCE),
        asyncio.TaskGroup() as watching,
    ):
        session_id = (await client.create_session(model="openai:scripted")).session_id
        watching.create_task(watch_native(channel, session_id, eyes[0]))
        watching.create_task(watch_web(http, mesh.address, session_id, eyes[1]))
        watching.create_task(watch_web(http, mesh.address, session_id, eyes[2]))
        watching.create_task(converse(channel, session_id, eyes[3], speak))
        for each in eyes:
            await each.beat.wait()
        assert all(each.events == [] for each in eyes)
        speak.set()
    assert eyes[0].events != []
    assert all(each.events == eyes[0].events for each in eyes)


async def test_the_next_task_of_a_session_goes_on_in_the_same_browser(mesh: MeshProcess) -> None:
    """It is still signed in; another session is not."""
    account = f"Open {mesh.url}/demo/account"
    sign_in = f"Open {mesh.url}/demo/login, type demo into User name and type demo into Password and press Enter"
    async with Client(mesh.address) as client:
        session = await client.create_session()
        await session.ask(sign_in)
        signed_in = await session.ask(account)
        stranger = await client.ask(account)
    assert ("Welcome back" in signed_in, "Sign in" in signed_in) == (True, False), signed_in
    assert ("Welcome back" in stranger, "Sign in" in stranger) == (False, True), stranger


async def test_two_programs_that_watch_a_session_see_the_same_events(mesh: MeshProcess) -> None:
    async def watch(client: Client, session_id: str) -> list[Event]:
        seen: list[Event] = []
        async for event in client.session(session_id).events():
            seen.append(event)
            if isinstance(event, RunFinished):
                break
        return seen

    async with Client(mesh.address) as here, Client(mesh.address) as there, asyncio.timeout(PATIENCE):
        session_id = (await here.create_session()).session_id
        watching = [asyncio.create_task(watch(client, session_id)) for client in (here, there)]
        await there.session(session_id).start(f"Take a screenshot of {mesh.url}/demo/")
        first, second = await asyncio.gather(*watching)
    assert first == second
    assert [event.sequence for event in first] == list(range(1, len(first) + 1))


async def test_a_deleted_session_is_gone_for_everybody(mesh: MeshProcess) -> None:
    async with Client(mesh.address) as client, asyncio.timeout(PATIENCE):
        session = await client.create_session()
        await session.ask("write hello to note.txt")
        workspace = mesh.data_dir / "workspaces" / session.session_id
        assert (workspace / "note.txt").read_text().strip() == "hello"
        watching = session.events()
        await anext(watching)
        await session.delete()
        with pytest.raises(NotFound):
            await _drain(watching)
        with pytest.raises(NotFound):
            await session.info()
        assert not workspace.exists()


async def _drain(events: AsyncIterator[Event]) -> None:
    async for _ in events:
        pass
