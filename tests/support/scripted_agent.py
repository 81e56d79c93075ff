"""An AgentService that misbehaves as it is told, on a real socket: what no healthy mesh does to its clients."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import code_pb2, status_pb2
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from grpc_status.rpc_status import to_status

from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.agent_service_pb2_grpc import AgentServiceServicer, add_AgentServiceServicer_to_server
from meshwright.v1.event_pb2 import Event, RunFinished, RunQueued, TextDelta
from meshwright.v1.run_pb2 import Run, RunOutcome, RunState
from meshwright.v1.session_pb2 import Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

SESSION = "ses_1"
RUN = "run_1"


@dataclass(frozen=True)
class Refuse:
    """End the stream, or answer the call, with an error. Without a reason it is a proxy's error."""

    code: int
    reason: str = ""
    retry_ms: int | None = None


@dataclass(frozen=True)
class Silence:
    """Send nothing more, until the client closes the stream in good order."""


@dataclass(frozen=True)
class Heard:
    """Wait until the stream has been sent so many commands."""

    count: int


Step = pb.ConverseResponse | Refuse | Silence | Heard


@dataclass
class ScriptedAgent(AgentServiceServicer):
    """The n-th stream plays the n-th of `streams`, and ends in good order; the last one repeats."""

    streams: Sequence[Sequence[Step]] = ()
    unary: list[Refuse] = field(default_factory=list)
    """How the next GetAgent calls are refused."""
    run: Run = field(default_factory=Run)
    """What GetRun answers."""
    cursors: list[int] = field(default_factory=list)
    """After which sequence each stream was opened."""
    filters: list[pb.WatchSessionRequest] = field(default_factory=list)
    commands: list[list[pb.ConverseRequest]] = field(default_factory=list)
    """What each Converse stream was sent."""
    calls: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    address: str = ""

    async def WatchSession(  # noqa: N802
        self, request: pb.WatchSessionRequest, context: Any
    ) -> AsyncIterator[pb.WatchSessionResponse]:
        self.filters.append(request)
        async for frame in self._play(request.after_sequence, context):
            yield pb.WatchSessionResponse.FromString(frame.SerializeToString())

    async def Converse(  # noqa: N802
        self, requests: AsyncIterator[pb.ConverseRequest], context: Any
    ) -> AsyncIterator[pb.ConverseResponse]:
        sent: list[pb.ConverseRequest] = []
        self.commands.append(sent)
        sent.append(await anext(requests))
        listening = asyncio.create_task(self._listen(requests, sent))
        try:
            async for frame in self._play(sent[0].start.after_sequence, context):
                yield frame
        finally:
            listening.cancel()

    async def GetAgent(  # noqa: N802
        self, request: pb.GetAgentRequest, context: Any
    ) -> pb.GetAgentResponse:
        self.calls += 1
        if self.unary:
            await _refuse(self.unary.pop(0), context)
        return pb.GetAgentResponse(agent=pb.Agent(version="9.9.9"))

    async def GetRun(  # noqa: N802
        self, request: pb.GetRunRequest, context: Any
    ) -> pb.GetRunResponse:
        return pb.GetRunResponse(run=self.run)

    async def _listen(self, requests: AsyncIterator[pb.ConverseRequest], sent: list[pb.ConverseRequest]) -> None:
        async for request in requests:
            sent.append(request)
            self._news.set()

    async def _heard(self, count: int) -> None:
        while len(self.commands[-1]) < count:
            self._news.clear()
            await self._news.wait()

    async def _closed(self) -> None:
        while not (self.commands and self.commands[-1][-1].HasField("close")):
            self._news.clear()
            await self._news.wait()

    async def _play(self, after: int, context: Any) -> AsyncIterator[pb.ConverseResponse]:
        script = self.streams[min(len(self.cursors), len(self.streams) - 1)]
        self.cursors.append(after)
        for step in script:
            match step:
                case Refuse():
                    await _refuse(step, context)
                case Heard(count):
                    await self._heard(count)
                case Silence():
                    await self._closed()
                case _:
                    yield step


async def _refuse(refusal: Refuse, context: Any) -> None:
    status = status_pb2.Status(code=refusal.code, message="scripted")
    if refusal.reason:
        details = [ErrorInfo(reason=refusal.reason, domain="meshwright"), _retry(refusal.retry_ms)]
        for detail in details:
            packed = AnyMessage()
            packed.Pack(detail)
            status.details.append(packed)
    await context.abort_with_status(to_status(status))


def _retry(milliseconds: int | None) -> RetryInfo:
    info = RetryInfo()
    info.retry_delay.FromMilliseconds(milliseconds or 0)
    return info


@asynccontextmanager
async def scripted_agent(*streams: Sequence[Step]) -> AsyncIterator[ScriptedAgent]:
    """The agent, listening."""
    agent = ScriptedAgent(streams)  # type: ignore[abstract]  # the rest is not implemented
    server = grpc.aio.server()
    add_AgentServiceServicer_to_server(agent, server)
    agent.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield agent
    finally:
        await server.stop(None)


UNAVAILABLE = Refuse(code_pb2.UNAVAILABLE, "UNAVAILABLE", 0)
PROXY_ERROR = Refuse(code_pb2.UNAVAILABLE)
TOO_SLOW = Refuse(code_pb2.RESOURCE_EXHAUSTED, "READER_TOO_SLOW", 0)
ATTACHED = pb.ConverseResponse(attached=pb.Attached(session=Session(session_id=SESSION), created=True))


def text(sequence: int, run_id: str = RUN) -> Event:
    """A text delta."""
    time = Timestamp(seconds=1_700_000_000 + sequence)
    delta = TextDelta(message_id="m", text=f"{sequence} ")
    return Event(session_id=SESSION, run_id=run_id, sequence=sequence, time=time, text_delta=delta)


def queued(sequence: int) -> Event:
    """The run's first event."""
    return Event(session_id=SESSION, run_id=RUN, sequence=sequence, run_queued=RunQueued())


def finished(sequence: int) -> Event:
    """The run's last event."""
    end = RunFinished(outcome=RunOutcome.RUN_OUTCOME_COMPLETED, answer="done")
    return Event(session_id=SESSION, run_id=RUN, sequence=sequence, run_finished=end)


def events(*those: Event) -> pb.ConverseResponse:
    """A frame of events."""
    return pb.ConverseResponse(events=those)


def texts(*sequences: int) -> pb.ConverseResponse:
    """A frame of text deltas."""
    return events(*map(text, sequences))


def accepted(command_id: str, run_id: str = RUN) -> pb.ConverseResponse:
    """The receipt of a task."""
    run = Run(run_id=run_id, session_id=SESSION, state=RunState.RUN_STATE_QUEUED)
    return pb.ConverseResponse(receipt=pb.Receipt(command_id=command_id, run=run))
