"""Clients that watch a run stream and see how late each of its tokens is.

The scripted model stamps each token with the monotonic clock when it writes it; all processes of a machine share that clock.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import aiohttp

from meshwright.v1.agent_service_pb2 import (
    CreateSessionRequest,
    StartRunRequest,
    StartRunResponse,
    WatchSessionRequest,
    WatchSessionResponse,
)
from meshwright.v1.event_pb2 import Event
from meshwright.v1.run_pb2 import RunSpec
from tests.support import grpc_web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import grpc

    from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub

STAMP = re.compile(r"(\d+) ")
SERVICE = "/meshwright.v1.AgentService"


@dataclass(frozen=True, slots=True)
class Pace:
    """How a model answers."""

    tokens: int
    every_ms: float

    @property
    def task(self) -> str:
        """What to ask the scripted model for."""
        return f"stream {self.tokens} tokens every {self.every_ms:g} ms, stamped"

    @property
    def words(self) -> str:
        """For a table."""
        return f"{1000 / self.every_ms:g} tokens/s each" if self.every_ms else "as fast as it can"

    @property
    def span(self) -> float:
        """Seconds from the first token to the last."""
        return (self.tokens - 1) * self.every_ms / 1000


@dataclass(slots=True)
class Seen:
    """What clients saw. Times in seconds."""

    delays: list[float] = field(default_factory=list)
    """From the model's stamp on a token to the client's having its event."""
    first_events: list[float] = field(default_factory=list)
    """From asking for the run to its first event."""
    spans: list[float] = field(default_factory=list)
    """From a client's first token to its last."""


class Client:
    """What one client sees of one run, added to what all of them saw."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._begun = time.monotonic_ns()
        self._first_token = 0

    def first_event(self) -> None:
        """Something has come."""
        self._seen.first_events.append((time.monotonic_ns() - self._begun) / 1e9)

    def text(self, text: str) -> None:
        """Count the tokens of a delta that comes now."""
        now = time.monotonic_ns()
        self._seen.delays += [(now - int(stamp)) / 1e9 for stamp in STAMP.findall(text)]
        self._first_token = self._first_token or now

    def end(self) -> None:
        """The last token was the last."""
        self._seen.spans.append((time.monotonic_ns() - self._first_token) / 1e9)


class Door(Protocol):
    """A way into the mesh."""

    async def new_session(self) -> str: ...

    async def start(self, session_id: str, task: str) -> str:
        """Starts a run; gives its id."""
        ...

    def watch(self, session_id: str, run_id: str) -> AsyncIterator[Sequence[Event]]:
        """The run's events as they come."""
        ...


class NativeDoor:
    """gRPC, to the service itself or through the gateway."""

    def __init__(self, stub: AgentServiceStub) -> None:
        self._stub = stub

    async def new_session(self) -> str:
        return (await self._stub.CreateSession(CreateSessionRequest())).session.session_id

    async def start(self, session_id: str, task: str) -> str:
        return (await self._stub.StartRun(StartRunRequest(session_id=session_id, spec=RunSpec(task=task)))).run.run_id

    async def watch(self, session_id: str, run_id: str) -> AsyncIterator[Sequence[Event]]:
        async for response in self._stub.WatchSession(WatchSessionRequest(session_id=session_id, until_run_id=run_id)):
            yield response.events


class WebDoor(NativeDoor):
    """gRPC-Web over HTTP/1.1, as a page speaks it."""

    def __init__(self, stub: AgentServiceStub, http: aiohttp.ClientSession, address: str) -> None:
        super().__init__(stub)
        self._http = http
        self._address = address

    async def start(self, session_id: str, task: str) -> str:
        request = StartRunRequest(session_id=session_id, spec=RunSpec(task=task))
        body = request.SerializeToString()
        messages, status = await grpc_web.call(self._http, self._address, f"{SERVICE}/StartRun", body)
        assert status.code == 0, status
        return StartRunResponse.FromString(messages[0]).run.run_id

    async def watch(self, session_id: str, run_id: str) -> AsyncIterator[Sequence[Event]]:
        body = WatchSessionRequest(session_id=session_id, until_run_id=run_id).SerializeToString()
        async with grpc_web.start(self._http, self._address, f"{SERVICE}/WatchSession", body) as call:
            async for message in call:
                yield WatchSessionResponse.FromString(message).events


async def watch_run(door: Door, pace: Pace, seen: Seen) -> None:
    """Have a new session stream and watch it to the end."""
    session_id = await door.new_session()
    client = Client(seen)
    run_id = await door.start(session_id, pace.task)
    first = True
    async for events in door.watch(session_id, run_id):
        if events and first:
            client.first_event()
            first = False
        for event in events:
            if event.HasField("text_delta"):
                client.text(event.text_delta.text)
            assert not event.run_finished.HasField("error"), event
    client.end()


async def watch_relay(channel: grpc.aio.Channel, pace: Pace, seen: Seen) -> None:
    """The same with the bare relay, which knows no sessions."""
    stream: Any = channel.unary_stream("/bench.Relay/Stream", None, Event.FromString)
    client = Client(seen)
    first = True
    async for event in stream(pace.task.encode()):
        if first:
            client.first_event()
            first = False
        client.text(event.text_delta.text)
    client.end()
