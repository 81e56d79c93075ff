"""Real agents on one store behind the gateway: one is killed, one told to stop, one comes back, and clients go on."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

import grpc

from meshwright.client import Mesh, RunFinished
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
from tests.model_script import Tokens
from tests.support.agent_replicas import agent_replicas

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PATIENCE = 60.0
NAMES = ("first", "second", "third")
WORDS = 60


class Work:
    """Clients that ask for something all the time: reads over one channel, and tasks with the SDK."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.reads = 0
        self.tasks = 0
        self._news = asyncio.Event()

    @contextlib.asynccontextmanager
    async def going_on(self) -> AsyncIterator[Work]:
        """While the block runs; every failure is raised at its end."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read(stop))
            for _ in range(3):
                group.create_task(self._do_tasks(stop))
            try:
                yield self
            finally:
                stop.set()

    async def some_more(self) -> None:
        """Wait until each kind of client got what it asked for a few times more."""
        reads, tasks = self.reads + 50, self.tasks + 2
        async with asyncio.timeout(PATIENCE):
            while self.reads < reads or self.tasks < tasks:
                self._news.clear()
                await self._news.wait()

    async def _read(self, stop: asyncio.Event) -> None:
        async with grpc.aio.insecure_channel(self._address) as channel:
            stub = AgentServiceStub(channel)
            while not stop.is_set():
                await stub.GetAgent(pb.GetAgentRequest(), timeout=5)
                await stub.ListSessions(pb.ListSessionsRequest(page_size=1), timeout=5)
                self.reads += 2
                self._news.set()

    async def _do_tasks(self, stop: asyncio.Event) -> None:
        async with Mesh(self._address) as mesh:
            while not stop.is_set():
                events = [event async for event in mesh.run("talk")]
                assert [event.sequence for event in events] == list(range(1, len(events) + 1))
                assert isinstance(events[-1], RunFinished)
                assert len(events[-1].answer.split()) == WORDS
                self.tasks += 1
                self._news.set()


async def test_agents_are_killed_stopped_and_added_and_no_call_fails(tmp_path: Path, redis_url: str) -> None:
    script = Tokens(WORDS, delay=0.01)
    environment = {"MESHWRIGHT_STOP_GRACE": "1", "MESHWRIGHT_DRAIN_DELAY": "1.5"}
    async with (
        agent_replicas(tmp_path, redis_url, script, NAMES, started=NAMES[:2], environment=environment) as mesh,
        Work(mesh.gateway.address).going_on() as work,
    ):
        await work.some_more()
        await mesh.agents["third"].start()
        await work.some_more()
        await mesh.agents["first"].end(signal.SIGKILL)
        await work.some_more()
        await mesh.agents["second"].end(signal.SIGTERM)
        await work.some_more()
        await mesh.agents["first"].start()
        await work.some_more()
