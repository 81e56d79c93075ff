"""A client of ToolService for tests: one Execute stream, its frames in order of arrival, its calls by id."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, Self

import grpc

from meshwright.serving.channel import open_channel
from meshwright.serving.errors import MeshError
from meshwright.serving.server import Server
from meshwright.tools.json_struct import to_json, to_struct
from meshwright.tools.run import tools_service
from meshwright.tools.settings import ToolSettings
from meshwright.v1 import stream_pb2, tool_pb2, tool_service_pb2
from meshwright.v1.tool_service_pb2_grpc import ToolServiceStub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from pathlib import Path

    from google.rpc.status_pb2 import Status

    from meshwright.tools.service import ToolServicer
    from meshwright.tools.tool import Tool
    from meshwright.v1.tool_service_pb2 import ExecuteRequest, ExecuteResponse

PATIENCE_SECONDS = 60


class ToolStream:
    """An open Execute stream."""

    def __init__(self, stub: ToolServiceStub, start: tool_service_pb2.ExecuteStart) -> None:
        self.frames: list[ExecuteResponse] = []
        self._news = asyncio.Condition()
        self._ids = count(1)
        self._commands: asyncio.Queue[ExecuteRequest | None] = asyncio.Queue()
        self.send(start=start)
        self.rpc = stub.Execute(self._outgoing())
        self._reading = asyncio.create_task(self._read())
        self.error: grpc.aio.AioRpcError | None = None
        self.ended = False

    def send(self, **command: Any) -> None:
        """Sends one command."""
        self._commands.put_nowait(tool_service_pb2.ExecuteRequest(command_id=f"c{next(self._ids)}", **command))

    def half_close(self) -> None:
        """Ends the client's side without `close`."""
        self._commands.put_nowait(None)

    def call(self, tool: str, arguments: dict[str, Any] | None = None, *, timeout: float = 0, call_id: str = "") -> str:
        """Sends a call; returns its id."""
        call = tool_pb2.ToolCall(call_id=call_id or f"call_{next(self._ids)}", tool=tool)
        call.arguments.CopyFrom(to_struct(arguments or {}))
        if timeout:
            call.timeout.FromMilliseconds(round(timeout * 1000))
        self.send(call=call)
        return call.call_id

    def cancel(self, call_id: str) -> None:
        """Cancels a call."""
        self.send(cancel=tool_service_pb2.CancelCall(call_id=call_id))

    async def run(self, tool: str, arguments: dict[str, Any] | None = None, **options: Any) -> tool_pb2.ToolCompletion:
        """Sends a call and waits for its end."""
        return await self.completion(self.call(tool, arguments, **options))

    async def completion(self, call_id: str) -> tool_pb2.ToolCompletion:
        """How the call ended."""
        frame = await self.wait_for(lambda f: f.call_finished.call_id == call_id)
        return frame.call_finished.completion

    async def started(self, call_id: str) -> None:
        """Waits until the call has begun."""
        await self.wait_for(lambda f: f.call_started.call_id == call_id)

    async def wait_for(self, wanted: Callable[[ExecuteResponse], bool]) -> ExecuteResponse:
        """The first frame that is wanted, from the beginning of the stream on."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._news:
            seen = 0
            while True:
                for frame in self.frames[seen:]:
                    if wanted(frame):
                        return frame
                seen = len(self.frames)
                if self.ended:
                    raise AssertionError(f"the stream ended without it: {self.error or 'in good order'}")
                await self._news.wait()

    def kinds(self) -> list[str]:
        """The kinds of the frames, in order of arrival."""
        return [str(frame.WhichOneof("frame")) for frame in self.frames]

    async def close(self) -> Self:
        """Closes the stream in good order and waits for its last frame."""
        self.send(close=stream_pb2.Close())
        return await self.end()

    async def end(self) -> Self:
        """Waits for the stream's end."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._reading
        return self

    async def abandon(self) -> None:
        """Goes away without a word."""
        self.rpc.cancel()
        await self._reading

    async def _outgoing(self) -> AsyncIterator[ExecuteRequest]:
        while (command := await self._commands.get()) is not None:
            yield command
            if command.HasField("close"):
                return

    async def _read(self) -> None:
        try:
            async for frame in self.rpc:
                async with self._news:
                    self.frames.append(frame)
                    self._news.notify_all()
        except grpc.aio.AioRpcError as error:
            self.error = error
        except asyncio.CancelledError:
            if not self.rpc.cancelled():
                raise
        finally:
            self._commands.put_nowait(None)
            async with self._news:
                self.ended = True
                self._news.notify_all()


class ToolClient:
    """A running ToolService and a client of it."""

    def __init__(self, server: Server[ToolServicer], channel: grpc.aio.Channel) -> None:
        self.server = server
        self.stub = ToolServiceStub(channel)

    @asynccontextmanager
    async def stream(self, session_id: str = "ses_1", **start: Any) -> AsyncIterator[ToolStream]:
        """An Execute stream; one that is still open at the end is abandoned."""
        stream = ToolStream(self.stub, tool_service_pb2.ExecuteStart(session_id=session_id, **start))
        try:
            yield stream
        finally:
            await stream.abandon()


@asynccontextmanager
async def tool_server(folder: Path, tools: Iterable[Tool] | None = None, **settings: Any) -> AsyncIterator[ToolClient]:
    """A ToolService on a Unix socket in the folder, with its data below."""
    loaded = ToolSettings.load(listen=f"unix:{folder}/tools.sock", data_dir=folder / "data", stop_grace=1.0, **settings)
    async with Server(tools_service(loaded, tools), loaded) as server, open_channel(server.address) as channel:
        yield ToolClient(server, channel)


def failure(completion: tool_pb2.ToolCompletion) -> MeshError:
    """Why a call failed, as it must have."""
    assert completion.outcome == tool_pb2.TOOL_OUTCOME_FAILED, completion
    return MeshError.from_status(completion.error)


def reason(status: Status) -> str:
    """The reason of an error, by its name."""
    return MeshError.from_status(status).reason_name


def structured(completion: tool_pb2.ToolCompletion) -> dict[str, Any]:
    """The result for programs."""
    return to_json(completion.result.structured)
