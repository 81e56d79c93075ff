"""How a client asks each server: first a session, if the server knows such a thing, then a task in it, whose answer comes as bytes.

Nobody's answer is decoded: what a client costs is the same for all. Each door imports what it needs when it is opened, because
that lies in different environments.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Door(Protocol):
    """A way to ask one server."""

    async def open_session(self) -> str: ...

    def ask(self, session: str, task: str) -> AsyncIterator[bytes]: ...


class MeshDoor:
    """AgentService: StartRun, then WatchSession."""

    def __init__(self, channel: Any) -> None:
        from meshwright.v1 import agent_service_pb2, agent_service_pb2_grpc, run_pb2

        self._messages = agent_service_pb2
        self._spec = run_pb2.RunSpec
        self._stub = agent_service_pb2_grpc.AgentServiceStub(channel)
        request = agent_service_pb2.WatchSessionRequest.SerializeToString
        self._watch = channel.unary_stream("/meshwright.v1.AgentService/WatchSession", request, None)

    async def open_session(self) -> str:
        response = await self._stub.CreateSession(self._messages.CreateSessionRequest())
        return str(response.session.session_id)

    async def ask(self, session: str, task: str) -> AsyncIterator[bytes]:
        start = self._messages.StartRunRequest(session_id=session, spec=self._spec(task=task))
        run_id = (await self._stub.StartRun(start)).run.run_id
        async for data in self._watch(self._messages.WatchSessionRequest(session_id=session, until_run_id=run_id)):
            yield data


class A2ADoor:
    """A2AService: SendStreamingMessage, which makes a task of its own."""

    def __init__(self, channel: Any) -> None:
        from a2a.types import a2a_pb2

        self._messages = a2a_pb2
        request = a2a_pb2.SendMessageRequest.SerializeToString
        self._send = channel.unary_stream("/lf.a2a.v1.A2AService/SendStreamingMessage", request, None)

    async def open_session(self) -> str:
        return ""

    async def ask(self, session: str, task: str) -> AsyncIterator[bytes]:
        part = self._messages.Part(text=task)
        message = self._messages.Message(message_id=uuid4().hex, role=self._messages.ROLE_USER, parts=[part])
        async for data in self._send(self._messages.SendMessageRequest(message=message)):
            yield data


class LangGraphDoor:
    """A thread, then a streamed run in it; only the model's deltas are asked for."""

    def __init__(self, http: Any, url: str) -> None:
        self._http = http
        self._url = url

    async def open_session(self) -> str:
        async with self._http.post(f"{self._url}/threads", json={}) as response:
            return str((await response.json())["thread_id"])

    async def ask(self, session: str, task: str) -> AsyncIterator[bytes]:
        messages = [{"role": "user", "content": task}]
        run = {"assistant_id": "agent", "input": {"messages": messages}, "stream_mode": ["messages-tuple"]}
        async with self._http.post(f"{self._url}/threads/{session}/runs/stream", json=run) as response:
            async for data in response.content.iter_any():
                yield data


class ModelDoor:
    """The scripted model itself: what the machine gives when no server stands between."""

    def __init__(self, http: Any, url: str) -> None:
        self._http = http
        self._url = url

    async def open_session(self) -> str:
        return ""

    async def ask(self, session: str, task: str) -> AsyncIterator[bytes]:
        body = {"model": "scripted", "stream": True, "messages": [{"role": "user", "content": task}]}
        async with self._http.post(f"{self._url}/chat/completions", json=body) as response:
            async for data in response.content.iter_any():
                yield data


@asynccontextmanager
async def door(kind: str, address: str) -> AsyncIterator[Door]:
    """The door of that kind, connected."""
    async with AsyncExitStack() as stack:
        if kind in ("mesh", "a2a"):
            import grpc

            channel = await stack.enter_async_context(grpc.aio.insecure_channel(address))
            await channel.channel_ready()
            yield MeshDoor(channel) if kind == "mesh" else A2ADoor(channel)
        else:
            import aiohttp

            connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=None)
            http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector, timeout=timeout))
            yield LangGraphDoor(http, address) if kind == "langgraph" else ModelDoor(http, address)
