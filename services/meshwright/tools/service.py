"""ToolService over gRPC."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import grpc

from meshwright.serving.authentication.principals import home_of
from meshwright.serving.calls import current_principal
from meshwright.serving.errors import MeshError
from meshwright.tools.call import RunningCall
from meshwright.tools.execution import Execution, stream_protocol
from meshwright.tools.session import ToolSession
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1 import tool_pb2, tool_service_pb2
from meshwright.v1.tool_service_pb2_grpc import ToolServiceServicer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from meshwright.tools.workbench import Workbench

Context = grpc.aio.ServicerContext[Any, Any]

START_SECONDS = 30.0
"""How long an Execute stream may take to send its first command."""
DEFAULT_PAGE = 100
MAX_PAGE = 500


class ToolServicer(ToolServiceServicer):
    """Answers for the tools of one workbench."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._streams: set[Execution] = set()

    async def ListTools(
        self, request: tool_service_pb2.ListToolsRequest, context: Context
    ) -> tool_service_pb2.ListToolsResponse:
        """The tools after the one that the token names."""
        after, size = request.page_token, min(request.page_size or DEFAULT_PAGE, MAX_PAGE)
        tools = self._bench.registry.all
        if after and after not in {tool.name for tool in tools}:
            raise MeshError(
                reasons.ERROR_REASON_INVALID_PAGE_TOKEN, "The page token is not one that ListTools gave out."
            )
        rest = [tool for tool in tools if tool.name > after]
        return tool_service_pb2.ListToolsResponse(
            tools=[tool.message for tool in rest[:size]],
            next_page_token=rest[size - 1].name if len(rest) > size else "",
        )

    async def Execute(
        self, request_iterator: AsyncIterator[tool_service_pb2.ExecuteRequest], context: Context
    ) -> AsyncIterator[tool_service_pb2.ExecuteResponse]:
        """One stream of calls."""
        try:
            async with asyncio.timeout(START_SECONDS):
                first = await anext(aiter(request_iterator), None)
        except TimeoutError:
            raise stream_protocol("start") from None
        if first is None or not first.HasField("start"):
            raise stream_protocol("start")
        execution = Execution(self._bench.settings.tools_waiting_calls)
        session = ToolSession(self._bench, first.start, execution.send)
        self._streams.add(execution)
        try:
            async with aclosing(execution.serve(session, request_iterator)) as frames:
                async for frame in frames:
                    yield frame
        finally:
            self._streams.discard(execution)
            await session.close(save=False)

    async def Call(
        self, request: tool_service_pb2.CallRequest, context: Context
    ) -> AsyncIterator[tool_service_pb2.CallResponse]:
        """One call on its own: progress, then the completion."""
        news: asyncio.Queue[tool_service_pb2.CallResponse] = asyncio.Queue(1)

        async def nothing(_: object = None) -> None:
            return

        async def report(progress: tool_pb2.ToolProgress) -> None:
            await news.put(tool_service_pb2.CallResponse(progress=progress))

        async def complete() -> None:
            completion = await call.completion()
            await news.put(tool_service_pb2.CallResponse(completion=completion))

        start = tool_service_pb2.ExecuteStart(session_id=request.session_id)
        session = ToolSession(self._bench, start, nothing)
        call = RunningCall(session, request.call, nothing, report)
        completing = asyncio.create_task(complete())
        try:
            while True:
                response = await news.get()
                yield response
                if response.HasField("completion"):
                    return
        finally:
            completing.cancel()
            await call.stop()
            await session.close(save=False)

    async def DeleteWorkspace(
        self, request: tool_service_pb2.DeleteWorkspaceRequest, context: Context
    ) -> tool_service_pb2.DeleteWorkspaceResponse:
        """Deletes what the session's calls wrote and made."""
        bench, home = self._bench, home_of(current_principal(), request.session_id)
        await asyncio.to_thread(bench.delete_files, home)
        await bench.artifacts.delete_session(home)
        return tool_service_pb2.DeleteWorkspaceResponse()

    async def go_away(self, grace: float) -> None:
        """Tells every stream to come back elsewhere within `grace` seconds."""
        for stream in self._streams:
            stream.go_away(grace)
