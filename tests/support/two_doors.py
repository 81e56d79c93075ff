"""A visit to a session through either door: the same verbs, the same errors, and the events that the door showed."""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import grpc
from google.protobuf.json_format import MessageToDict

from meshwright.serving.errors import MeshError
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
from meshwright.v1.event_pb2 import Approval, Event, EventFilter, SteeringReceipt
from meshwright.v1.run_pb2 import Run, RunSpec, SteeringMode
from meshwright.v1.stream_pb2 import Close

T = TypeVar("T")
PATIENCE = 60.0
UNSPECIFIED = SteeringMode.STEERING_MODE_UNSPECIFIED


class Visit(ABC):
    """One client of one session. Request ids are unique for the visitor: the same name is another id at the other door."""

    name: str

    def __init__(self, stub: AgentServiceStub, session_id: str) -> None:
        self.session_id = session_id
        self.events: list[Event] = []
        self.attached = asyncio.Event()
        self._stub = stub
        self._news = asyncio.Condition()
        self._count = 0

    @abstractmethod
    async def start(self, spec: RunSpec, request_id: str = "", when_busy: SteeringMode.ValueType = UNSPECIFIED) -> Run:
        """Give a task."""

    @abstractmethod
    async def steer(self, text: str, mode: SteeringMode.ValueType, request_id: str = "") -> SteeringReceipt:
        """Give an input."""

    @abstractmethod
    async def cancel(self, run_id: str = "") -> Run:
        """Cancel a run."""

    @abstractmethod
    async def resolve(self, approval_id: str, decision: pb.ApprovalDecision) -> Approval:
        """Answer a question."""

    async def until(self, kind: str, run_id: str = "", count: int = 1) -> Event:
        """Wait for the n-th event of a kind, of one run if given."""
        async with asyncio.timeout(PATIENCE), self._news:
            while True:
                found = [e for e in self.events if e.WhichOneof("kind") == kind and run_id in ("", e.run_id)]
                if len(found) >= count:
                    return found[count - 1]
                await self._news.wait()

    def _id(self, request_id: str) -> str:
        self._count += 1
        return f"{self.name}-{request_id or self._count}-{self.session_id[-8:]}"

    async def _see(self, frame: pb.ConverseResponse | pb.WatchSessionResponse) -> None:
        self.attached.set()
        async with self._news:
            self.events += frame.events
            self._news.notify_all()


class UnaryVisit(Visit):
    """Unary verbs, and WatchSession."""

    name = "unary"

    async def watch(self, after_sequence: int, wanted: EventFilter) -> None:
        """Follow the session until the task is cancelled."""
        request = pb.WatchSessionRequest(session_id=self.session_id, after_sequence=after_sequence, filter=wanted)
        async for frame in self._stub.WatchSession(request):
            await self._see(frame)

    async def start(self, spec: RunSpec, request_id: str = "", when_busy: SteeringMode.ValueType = UNSPECIFIED) -> Run:
        request = pb.StartRunRequest(
            request_id=self._id(request_id), session_id=self.session_id, spec=spec, when_busy=when_busy
        )
        answer: pb.StartRunResponse = await _typed(self._stub.StartRun(request))
        return answer.run

    async def steer(self, text: str, mode: SteeringMode.ValueType, request_id: str = "") -> SteeringReceipt:
        request = pb.SteerRunRequest(request_id=self._id(request_id), session_id=self.session_id, text=text, mode=mode)
        answer: pb.SteerRunResponse = await _typed(self._stub.SteerRun(request))
        return answer.receipt

    async def cancel(self, run_id: str = "") -> Run:
        request = pb.CancelRunRequest(request_id=self._id(""), session_id=self.session_id, run_id=run_id)
        answer: pb.CancelRunResponse = await _typed(self._stub.CancelRun(request))
        return answer.run

    async def resolve(self, approval_id: str, decision: pb.ApprovalDecision) -> Approval:
        request = pb.ResolveApprovalRequest(
            request_id=self._id(""), session_id=self.session_id, approval_id=approval_id, decision=decision
        )
        answer: pb.ResolveApprovalResponse = await _typed(self._stub.ResolveApproval(request))
        return answer.approval


class ConverseVisit(Visit):
    """One Converse stream for everything."""

    name = "converse"

    async def watch(self, after_sequence: int, wanted: EventFilter) -> None:
        """Follow the session until the task is cancelled."""
        self._stream = self._stub.Converse()
        self._receipts: dict[str, asyncio.Future[pb.Receipt]] = {}
        start = pb.ConverseStart(session_id=self.session_id, after_sequence=after_sequence, filter=wanted)
        await self._stream.write(pb.ConverseRequest(command_id=self._id(""), start=start))
        try:
            async for frame in self._stream:
                if frame.HasField("receipt"):
                    self._receipts.pop(frame.receipt.command_id).set_result(frame.receipt)
                await self._see(frame)
        except grpc.aio.AioRpcError as error:
            # A command that breaks the contract's bounds ends the stream.
            for receipt in self._receipts.values():
                receipt.set_exception(MeshError.from_rpc_error(error))

    async def start(self, spec: RunSpec, request_id: str = "", when_busy: SteeringMode.ValueType = UNSPECIFIED) -> Run:
        command = pb.StartRunCommand(spec=spec, when_busy=when_busy)
        return (await self._command(request_id, start_run=command)).run

    async def steer(self, text: str, mode: SteeringMode.ValueType, request_id: str = "") -> SteeringReceipt:
        return (await self._command(request_id, steer_run=pb.SteerRunCommand(text=text, mode=mode))).steering

    async def cancel(self, run_id: str = "") -> Run:
        return (await self._command("", cancel_run=pb.CancelRunCommand(run_id=run_id))).run

    async def resolve(self, approval_id: str, decision: pb.ApprovalDecision) -> Approval:
        command = pb.ResolveApprovalCommand(approval_id=approval_id, decision=decision)
        return (await self._command("", resolve_approval=command)).approval

    async def close(self) -> None:
        """Say good-bye."""
        await self._stream.write(pb.ConverseRequest(command_id=self._id(""), close=Close()))

    async def _command(self, request_id: str, **command: Any) -> pb.Receipt:
        command_id = self._id(request_id)
        self._receipts[command_id] = asyncio.get_running_loop().create_future()
        await self._stream.write(pb.ConverseRequest(command_id=command_id, **command))
        async with asyncio.timeout(PATIENCE):
            receipt = await self._receipts[command_id]
        if receipt.HasField("error"):
            raise MeshError.from_status(receipt.error)
        return receipt


DOORS: tuple[type[UnaryVisit | ConverseVisit], ...] = (UnaryVisit, ConverseVisit)


@asynccontextmanager
async def visiting(
    door: type[UnaryVisit | ConverseVisit],
    stub: AgentServiceStub,
    session_id: str,
    *,
    after_sequence: int = 0,
    wanted: EventFilter | None = None,
) -> AsyncGenerator[UnaryVisit | ConverseVisit, None]:
    """A visit that watches from a cursor on."""
    visit = door(stub, session_id)
    watching = asyncio.create_task(visit.watch(after_sequence, wanted or EventFilter()))
    try:
        async with asyncio.timeout(PATIENCE):
            await visit.attached.wait()
        yield visit
    finally:
        watching.cancel()
        await asyncio.wait([watching])


async def _typed(call: Awaitable[T]) -> T:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise MeshError.from_rpc_error(error) from error


IDS = re.compile(r"\b(?:ses|run|msg|apr|art|call|lse)_[0-9a-f]{8,}|\b(?:unary|converse)-\w+-[0-9a-f]{8}")
PASSING = re.compile(r"(^|_)(time|timeout|duration|time_to_first_token|traceparent)$|^(applied_)?sequence$")


def told(events: list[Event]) -> list[dict[str, Any]]:
    """What events say whenever and wherever they happen: ids by the order in which they come, no times, deltas joined."""
    names: dict[str, str] = {}

    def named(found: re.Match[str]) -> str:
        return names.setdefault(found[0], f"<{len(names)}>")

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {IDS.sub(named, key): plain(each) for key, each in value.items() if not PASSING.search(key)}
        if isinstance(value, list):
            return [plain(each) for each in value]
        return IDS.sub(named, value) if isinstance(value, str) else value

    story: list[dict[str, Any]] = []
    for event in events:
        entry = plain(MessageToDict(event, preserving_proto_field_name=True))
        kind = str(event.WhichOneof("kind"))
        if kind.endswith("_delta") and story and kind in story[-1]:
            story[-1][kind]["text"] += entry[kind]["text"]
        else:
            story.append(entry)
    return story
