"""Giving a task and following it on one bidirectional stream: Converse."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc

from meshwright.client import decoding
from meshwright.client.affinity import session_metadata
from meshwright.client.events import Gap, RunFinished
from meshwright.client.family import Family
from meshwright.client.feed import Feed
from meshwright.client.request_id import new_request_id
from meshwright.client.run import Run
from meshwright.client.statuses import error_from_status
from meshwright.client.streams import EventStream
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.run_pb2 import RunState
from meshwright.v1.stream_pb2 import Close

if TYPE_CHECKING:
    from meshwright.client.connection import Connection, Metadata
    from meshwright.client.enums import SteeringMode
    from meshwright.client.events import Event
    from meshwright.client.feed import Call, Frame
    from meshwright.client.infos import RunInfo
    from meshwright.client.records import SteeringStatus
    from meshwright.v1.session_pb2 import Session as ProtoSession

GOODBYE_SECONDS = 2.0


@dataclass(slots=True)
class Conversation:
    """What is said on the stream, however often it has to be opened."""

    connection: Connection
    start_run: pb.StartRunCommand
    request_id: str
    """Of the task; the same on every stream, so that it is started once."""
    session_id: str = ""
    """Empty until a new session has its name."""
    new_session: ProtoSession | None = None
    open_id: str = field(default_factory=new_request_id)
    """Of the new session; the same on every stream, so that it is made once."""
    accepted: bool = False
    """The task has its receipt."""
    call: grpc.aio.StreamStreamCall[pb.ConverseRequest, pb.ConverseResponse] | None = None

    async def open(self, cursor: int, metadata: Metadata) -> Call:
        """A stream that joins the session, or makes it, and gives the task unless that was done."""
        call = self.connection.stub.Converse(metadata=metadata + session_metadata(self.session_id))
        self.call = call
        start = pb.ConverseStart(session_id=self.session_id, session=self.new_session, after_sequence=cursor)
        try:
            await call.write(pb.ConverseRequest(command_id=self.open_id, start=start))
            if not self.accepted:
                await call.write(pb.ConverseRequest(command_id=self.request_id, start_run=self.start_run))
        except asyncio.InvalidStateError:
            # The stream has ended between the two; reading it tells why.
            return call
        except BaseException:
            call.cancel()
            raise
        return call

    async def say_goodbye(self) -> None:
        """End the stream in good order, if it lets us."""
        call, self.call = self.call, None
        if call is None or call.done():
            return
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                await call.write(pb.ConverseRequest(command_id=new_request_id(), close=Close()))
                await call.done_writing()
                while await call.read() is not grpc.aio.EOF:
                    pass
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError, TimeoutError):
            # Everything was received; how the stream ends does not matter any more.
            call.cancel()


class RunStream(EventStream):
    """A task and its events, from `RunQueued` to `RunFinished`. The task is given when the first event is asked for.

    What sub-agents of the run do comes as `SubAgentEvent`.
    A run does not depend on the stream: leaving early leaves it at work. `cancel` ends it.
    """

    def __init__(self, conversation: Conversation) -> None:
        super().__init__()
        self._talk = conversation
        self._run_id = ""
        self._family: Family | None = None
        self._early: deque[Event] = deque()
        self._over = False

    @property
    def session_id(self) -> str:
        """The session; of a new one empty until the first event."""
        return self._talk.session_id

    @property
    def run_id(self) -> str:
        """The run; empty until the first event."""
        return self._run_id

    async def result(self) -> RunFinished:
        """Follow the run to its end. Raises RunFailed, RunCancelled, RunExpired; MeshError when it cannot be followed."""
        async for event in self:
            if isinstance(event, RunFinished):
                await self.aclose()
                event.raise_for_outcome()
                return event
        raise RuntimeError("The end of this run was given out before.")

    async def aclose(self) -> None:
        """Leave the stream. A run that is at work goes on."""
        if self._over:
            await self._talk.say_goodbye()
        await super().aclose()

    async def steer(self, text: str, *, mode: SteeringMode | None = None) -> SteeringStatus:
        """Give the run an input while it works; see `Run.steer`. Safe to call while another task reads the events."""
        return await (await self._started()).steer(text, mode=mode)

    async def cancel(self) -> RunInfo:
        """Ask the run to end; its last event then says `cancelled`. Safe to call while another task reads the events."""
        return await (await self._started()).cancel()

    async def _started(self) -> Run:
        while not self._run_id and not self._ended:
            async with self._reading:
                if not self._run_id:
                    await self._pull()
        return Run(self._talk.connection, self.session_id, self._run_id)

    async def _pull(self) -> None:
        if self._over:
            await self.aclose()
            return
        feed = self._feed or await self._begin()
        if not self._early or not self._run_id:
            frame = await feed.read()
            assert frame is not None, "a conversation ends only when it was closed"
            self._hear(frame)
        if self._run_id:
            await self._give_out()

    async def _begin(self) -> Feed:
        cursor = 0
        if self._talk.session_id:
            request = pb.GetSessionRequest(session_id=self._talk.session_id)
            connection = self._talk.connection
            got = await connection.call(lambda stub: stub.GetSession, request, pb.GetSessionResponse)
            cursor = got.session.last_sequence
        return self._open_after(cursor)

    def _open_after(self, cursor: int) -> Feed:
        self._early.clear()
        self._feed = Feed(self._talk.connection, self._talk.open, cursor=cursor, gapless=True, ends=False)
        return self._feed

    def _hear(self, frame: Frame) -> None:
        self._early.extend(self._decode(frame))
        if frame.HasField("attached"):
            self._talk.session_id = frame.attached.session.session_id
        elif isinstance(frame, pb.ConverseResponse) and frame.HasField("receipt"):
            self._accepted(frame.receipt)

    def _accepted(self, receipt: pb.Receipt) -> None:
        assert self._feed is not None
        if receipt.command_id != self._talk.request_id or self._run_id:
            return
        if receipt.HasField("error"):
            self.close()
            raise error_from_status(receipt.error)
        self._talk.accepted = True
        self._run_id = receipt.run.run_id
        self._family = Family(self._run_id)
        first = receipt.run.first_sequence
        if 0 < first <= self._feed.cursor and not any(event.run_id == self._run_id for event in self._early):
            # The task was given before, under the same request id.
            self._feed.close()
            self._open_after(first - 1)

    async def _give_out(self) -> None:
        """Give out what is of this run, once it is known which one that is."""
        assert self._family is not None
        while self._early:
            event = self._early[0]
            end = await self._end_within(event) if isinstance(event, Gap) else None
            self._early.popleft()
            if (placed := self._family.place(event)) is not None:
                self._ready.append(placed)
            if end is not None:
                self._ready.append(end)
            self._over = bool(self._ready) and isinstance(self._ready[-1], RunFinished)

    async def _end_within(self, gap: Gap) -> RunFinished | None:
        """The end of the run where its event is among the trimmed ones; the run itself still knows it."""
        request = pb.GetRunRequest(session_id=self.session_id, run_id=self._run_id)
        run = (await self._talk.connection.call(lambda stub: stub.GetRun, request, pb.GetRunResponse)).run
        if run.state == RunState.RUN_STATE_FINISHED and run.finish_sequence <= gap.sequence:
            return decoding.finished_from_run(run)
        return None
