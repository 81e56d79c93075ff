"""Short runs all the time, each in a session whose track is known: which version works on which."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import TYPE_CHECKING

from meshwright.client.affinity import session_metadata
from meshwright.v1 import agent_service_pb2 as pb
from tests.support.previous_version import PREVIOUS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from meshwright.client import Mesh, Session
    from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub

PATIENCE = 30.0
HEAD_START = 1.9
"""Seconds that a run of the canary is left to the canary, less what clocks and rounding take."""
TASK = "who"
"""The model of each version answers with its version."""


async def version_of(stub: AgentServiceStub, session_id: str) -> str:
    """The version that answers calls about a session."""
    asked = stub.GetAgent(pb.GetAgentRequest(), timeout=PATIENCE, metadata=session_metadata(session_id))
    return (await asked).agent.version


class Steady:
    """Clients that give short tasks, two in each session."""

    def __init__(self, client: Mesh, stub: AgentServiceStub) -> None:
        self._client = client
        self._stub = stub
        self._news = asyncio.Event()
        self.runs: Counter[str] = Counter()
        """By the version that worked on them."""
        self.strays = 0
        """Runs of the canary that the stable track took, because the canary had left them."""

    @contextlib.asynccontextmanager
    async def going_on(self, clients: int) -> AsyncIterator[None]:
        """So many clients while the block runs; the first failure ends it."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(self._ask(stop))
            try:
                yield
            finally:
                stop.set()

    async def some_more(self, runs: int = 10) -> None:
        """Wait until so many more have ended."""
        wanted = self.runs.total() + runs
        async with asyncio.timeout(PATIENCE):
            while self.runs.total() < wanted:
                self._news.clear()
                await self._news.wait()

    async def _ask(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            session = await self._client.create_session()
            for _ in range(2):
                await self._ask_in(session)

    async def _ask_in(self, session: Session) -> None:
        """Its track's version works on it, unless the session moves meanwhile."""
        before = await version_of(self._stub, session.session_id)
        run = await session.start(TASK)
        worked = (await run.result()).answer
        after = await version_of(self._stub, session.session_id)
        if before == after != worked:
            info = await run.info()
            assert info.create_time is not None
            assert info.start_time is not None
            waited = (info.start_time - info.create_time).total_seconds()
            assert worked == PREVIOUS.version, f"{before} is the session's version, {worked} worked"
            assert waited >= HEAD_START, f"the stable track took a run of the canary after {waited:.2f} s"
            self.strays += 1
        self.runs[worked] += 1
        self._news.set()
