"""The tools that runs may use, and the Execute stream of each session that has used some."""

from __future__ import annotations

import asyncio
import time
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc
import structlog
from google.protobuf.json_format import MessageToDict

from meshwright.agent.browser_meter import BrowserMeter
from meshwright.agent.browser_room import BROWSER_TOOLS
from meshwright.agent.compose import Composer
from meshwright.agent.tool_stream import SERVICE, ToolStream
from meshwright.models.interface import ToolSchema
from meshwright.serving.channel import forward
from meshwright.serving.errors import MeshError
from meshwright.v1.event_pb2 import BrowserAttached, BrowserDetached, UsageRecorded
from meshwright.v1.run_pb2 import Usage
from meshwright.v1.tool_service_pb2 import (
    DeleteWorkspaceRequest,
    ExecuteResponse,
    ExecuteStart,
    ListToolsRequest,
)

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from meshwright.agent.browser_room import BrowserRoom
    from meshwright.agent.browser_states import BrowserStates
    from meshwright.store.interface import Draft, Store
    from meshwright.v1.tool_pb2 import Tool
    from meshwright.v1.tool_service_pb2_grpc import ToolServiceStub

LIST_SECONDS = 30.0
"""How long a run waits for a tool service that starts anew: caches of names may keep its former address for as long."""
REFRESH_SECONDS = 5.0
"""The same for a list that may stay as it is."""
DELETE_SECONDS = 5.0
LIST_KEPT_SECONDS = 60.0
log = structlog.get_logger(__name__)


def fits(tool: str, patterns: Sequence[str]) -> bool:
    """Whether a run with these patterns may use the tool; without patterns it may use all."""
    return not patterns or any(fnmatchcase(tool, pattern) for pattern in patterns)


class OfferedTool(NamedTuple):
    """A tool, and what a model is told of it: made once for all runs."""

    message: Tool
    schema: ToolSchema

    @classmethod
    def of(cls, tool: Tool) -> OfferedTool:
        """The tool as ListTools gives it."""
        return cls(tool, ToolSchema(tool.name, tool.description, MessageToDict(tool.arguments_schema)))

    @property
    def name(self) -> str:
        """The tool's name."""
        return self.message.name


class Toolbox:
    """Streams stay open for an idle time after a run, so that the next message finds its browser where it was."""

    def __init__(
        self, stub: ToolServiceStub, store: Store, room: BrowserRoom, states: BrowserStates, idle_seconds: float
    ) -> None:
        self._stub = stub
        self._store = store
        self._room = room
        self._states = states
        self._idle_seconds = idle_seconds
        self._tools: tuple[float, Sequence[OfferedTool]] = (float("-inf"), ())
        self._streams: dict[str, ToolStream] = {}
        self._opening: dict[str, asyncio.Lock] = {}
        self._closers: dict[str, asyncio.TimerHandle] = {}
        self._meters: dict[str, BrowserMeter] = {}
        self._errands: set[asyncio.Task[None]] = set()
        self._making_room = asyncio.Lock()

    async def tools(self, patterns: Sequence[str] = ()) -> list[OfferedTool]:
        """The tools whose names fit one of the patterns; all without patterns. UNAVAILABLE, unless they were known before."""
        read_at, tools = self._tools
        if time.monotonic() - read_at > LIST_KEPT_SECONDS:
            try:
                tools = await self._list(REFRESH_SECONDS if tools else LIST_SECONDS)
            except MeshError as error:
                if not tools:
                    raise
                log.warning("agent.tools_not_listed", reason=error.reason_name)
            self._tools = (time.monotonic(), tools)
        return [tool for tool in tools if fits(tool.name, patterns)]

    async def _list(self, seconds: float) -> Sequence[OfferedTool]:
        tools: list[OfferedTool] = []
        token = ""
        try:
            while True:
                request, options = ListToolsRequest(page_token=token), forward(seconds)
                page = await self._stub.ListTools(request, **options, wait_for_ready=True)
                tools.extend(OfferedTool.of(tool) for tool in page.tools)
                token = page.next_page_token
                if not token:
                    return tools
        except grpc.aio.AioRpcError as error:
            raise MeshError.from_rpc_error(error, service=SERVICE) from error

    async def stream(self, session_id: str, tool: str) -> ToolStream:
        """The session's open stream for a call of a tool, opened now if need be. UNAVAILABLE."""
        self._keep(session_id)
        if tool.startswith(BROWSER_TOOLS):
            self._room.needs(session_id)
            await self._make_room()
        async with self._opening.setdefault(session_id, asyncio.Lock()):
            stream = self._streams.get(session_id)
            if stream is None or stream.broken:
                state = await self._states.read(session_id)
                start = ExecuteStart(
                    session_id=session_id, browser_storage_state=state.storage_state, browser_url=state.url
                )
                stream = await ToolStream.open(self._stub, start, lambda frame: self._on_browser(session_id, frame))
                self._streams[session_id] = stream
            return stream

    async def _make_room(self) -> None:
        """Where no browser would be left, close the stream that has rested longest with one."""
        async with self._making_room:
            session_id = await self._room.to_give_back(tuple(self._closers))
            if session_id in self._closers:
                await self.forget(session_id)

    def meter(self, session_id: str) -> BrowserMeter:
        """What counts the session's browser time."""
        return self._meters.setdefault(session_id, BrowserMeter())

    def _forget_meter(self, session_id: str) -> None:
        if (meter := self._meters.get(session_id)) is not None and not meter.is_needed:
            del self._meters[session_id]

    def rest(self, session_id: str) -> None:
        """The session has no run at work: close its stream after the idle time, or when another needs its browser."""
        self._keep(session_id)
        self._room.rests(session_id)
        self.meter(session_id).rest()
        self._forget_meter(session_id)
        loop = asyncio.get_running_loop()
        self._closers[session_id] = loop.call_later(self._idle_seconds, lambda: self._errand(self.forget(session_id)))
        self._errand(self._make_room())

    async def forget(self, session_id: str) -> None:
        """Close the session's stream. What its next browser begins with is kept then."""
        self._keep(session_id)
        stream = self._streams.pop(session_id, None)
        self._opening.pop(session_id, None)
        if stream is not None:
            await stream.close()
            await self._states.written(session_id)

    async def delete(self, session_id: str) -> None:
        """Close the session's stream and delete its files, as far as the tool service can be reached."""
        await self.forget(session_id)
        await self._states.delete(session_id)
        try:
            await self._stub.DeleteWorkspace(DeleteWorkspaceRequest(session_id=session_id), **forward(DELETE_SECONDS))
        except grpc.aio.AioRpcError as error:
            log.warning("agent.workspace_left_behind", session_id=session_id, code=error.code().name)

    async def close(self) -> None:
        """Close all streams."""
        await asyncio.gather(*(self.forget(session_id) for session_id in tuple(self._streams)))
        if self._errands:
            await asyncio.wait(self._errands, timeout=DELETE_SECONDS)
        await self._states.close()

    def _keep(self, session_id: str) -> None:
        closer = self._closers.pop(session_id, None)
        if closer is not None:
            closer.cancel()

    def _on_browser(self, session_id: str, frame: ExecuteResponse) -> None:
        composer = Composer(session_id)
        if frame.HasField("browser_state"):
            self._states.keep(session_id, frame.browser_state)
        elif frame.HasField("browser_leased"):
            self._room.leased(session_id)
            self.meter(session_id).leased()
            leased = frame.browser_leased
            attached = BrowserAttached(
                lease_id=leased.lease_id,
                viewport_width=leased.viewport_width,
                viewport_height=leased.viewport_height,
            )
            self._errand(self._tell(session_id, composer.draft(browser_attached=attached)))
        else:
            self._room.released(session_id)
            released = frame.browser_released
            reason = released.reason if released.HasField("reason") else None
            detached = BrowserDetached(lease_id=released.lease_id, reason=reason)
            held = released.held_duration.ToMicroseconds() / 1e6 if released.HasField("held_duration") else None
            rested = self.meter(session_id).released(held)
            self._forget_meter(session_id)
            drafts = [composer.draft(browser_detached=detached)]
            if rested:
                drafts.append(composer.draft(usage_recorded=_browser_usage(rested)))
            self._errand(self._tell(session_id, *drafts))

    async def _tell(self, session_id: str, *drafts: Draft) -> None:
        try:
            await self._store.append_to_session(session_id, drafts)
        except MeshError as error:
            log.info("agent.browser_event_dropped", session_id=session_id, reason=error.reason_name)

    def _errand(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)


def _browser_usage(seconds: float) -> UsageRecorded:
    usage = Usage()
    usage.browser_duration.FromMicroseconds(round(seconds * 1e6))
    return UsageRecorded(usage=usage)
