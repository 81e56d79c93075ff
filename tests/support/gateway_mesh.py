"""A gateway before small upstreams, for the gateway's tests: real sockets, real Envoy, the contract's method paths."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import grpc
from aiohttp import web
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from meshwright.gateway.gateway import Gateway
from meshwright.gateway.settings import GatewaySettings
from meshwright.serving.address import Address
from meshwright.serving.reflection import add_reflection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

AGENT = "/meshwright.v1.AgentService"
TOOLS = "/meshwright.v1.ToolService"
BROWSER = "/meshwright.v1.BrowserService"

OPTIONS = (
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    # As the services do: many watches may open at once, and the gateway pings.
    ("grpc.server.max_pending_requests", 20_000),
    ("grpc.server.max_pending_requests_hard_limit", 40_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
)

GetAgent = f"{AGENT}/GetAgent"
CreateSession = f"{AGENT}/CreateSession"
ListSessions = f"{AGENT}/ListSessions"
WatchSession = f"{AGENT}/WatchSession"
Converse = f"{AGENT}/Converse"


@dataclass
class Upstream:
    """A gRPC server that answers as a service of the contract would, in bytes instead of messages.

    GetAgent says the upstream's name, CreateSession echoes, Converse echoes each message, ListSessions and StartRun answer
    when `answer` is set, WatchSession sends `0` and then a number each time `tick` is set.
    """

    name: str
    address: Address
    metadata: list[dict[str, str]] = field(default_factory=list)
    tick: asyncio.Event = field(default_factory=asyncio.Event)
    answer: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0
    """Calls of ListSessions, StartRun and WatchSession that are open."""
    cancelled: int = 0
    """Those that ended because the caller wanted so."""
    server: grpc.aio.Server | None = None
    health: health.aio.HealthServicer = field(init=False)
    port: int = 0

    async def start(self) -> None:
        self.server = grpc.aio.server(options=OPTIONS)
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "GetAgent": grpc.unary_unary_rpc_method_handler(self.say_name),
            "ListTools": grpc.unary_unary_rpc_method_handler(self.say_name),
            "GetPool": grpc.unary_unary_rpc_method_handler(self.say_name),
            "CreateSession": grpc.unary_unary_rpc_method_handler(self.echo),
            "ListSessions": grpc.unary_unary_rpc_method_handler(self.hang),
            "StartRun": grpc.unary_unary_rpc_method_handler(self.hang),
            "WatchSession": grpc.unary_stream_rpc_method_handler(self.watch),
            "Converse": grpc.stream_stream_rpc_method_handler(self.converse),
        }
        for service in (AGENT, TOOLS, BROWSER):
            generic = grpc.method_handlers_generic_handler(service.removeprefix("/"), handlers)
            self.server.add_generic_rpc_handlers((generic,))
        self.health = health.aio.HealthServicer()
        await self.report(serving=True)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.server)
        add_reflection(self.server, {"meshwright.v1.AgentService"})
        self.port = self.server.add_insecure_port(self.address.target)
        await self.server.start()

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.stop(None)
            self.server = None

    async def report(self, *, serving: bool) -> None:
        states = health_pb2.HealthCheckResponse
        await self.health.set("", states.SERVING if serving else states.NOT_SERVING)

    async def say_name(self, _request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        self.metadata.append({key: str(value) for key, value in context.invocation_metadata() or ()})
        return self.name.encode()

    async def echo(self, request: bytes, _context: Any) -> bytes:
        return request

    async def converse(self, requests: AsyncIterator[bytes], _context: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request

    async def hang(self, _request: bytes, _context: Any) -> bytes:
        with self._open_call():
            await self.answer.wait()
        return b""

    async def watch(self, _request: bytes, _context: Any) -> AsyncIterator[bytes]:
        with self._open_call():
            number = 0
            while True:
                yield str(number).encode()
                number += 1
                await self.tick.wait()
                self.tick.clear()

    @contextlib.contextmanager
    def _open_call(self) -> Iterator[None]:
        self.waiting += 1
        try:
            yield
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.waiting -= 1


@dataclass
class Site:
    """A page server that says what it was asked."""

    address: Address
    runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        await web.UnixSite(self.runner, self.address.path).start()

    async def stop(self) -> None:
        if self.runner is not None:
            await self.runner.cleanup()
            self.runner = None

    async def answer(self, request: web.Request) -> web.Response:
        text = f"<title>{request.method} {request.path} at {request.headers['host']}</title>"
        return web.Response(text=text, content_type="text/html")


class Relay:
    """Hands on the bytes of unix socket `path` to `target`; `cut` ends its connections as a crash would."""

    def __init__(self, path: Path, target: Path) -> None:
        self._path = path
        self._target = target
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._connect, self._path)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks)

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_unix_connection(self._target)
        self._writers += [writer, there_writer]
        for source, target in ((reader, there_writer), (there_reader, writer)):
            self._tasks.add(asyncio.create_task(self._pump(source, target)))

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        target.close()


@dataclass
class Mesh:
    """A running gateway, what stands behind it, and clients of both protocols before it."""

    settings: GatewaySettings
    gateway: Gateway
    agent: Upstream
    tools: Upstream
    browser: Upstream
    site: Site
    channel: grpc.aio.Channel
    http: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://{self.gateway.address}"

    async def unary(self, method: str, message: bytes = b"", timeout: float = 30) -> bytes:
        return await unary(self.channel, method, message, timeout)

    def watch(self, timeout: float | None = None) -> grpc.aio.UnaryStreamCall[bytes, bytes]:
        return watch(self.channel, timeout)

    def converse(self) -> grpc.aio.StreamStreamCall[bytes, bytes]:
        method: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = self.channel.stream_stream(Converse)
        return method()


async def unary(channel: grpc.aio.Channel, method: str, message: bytes = b"", timeout: float = 30) -> bytes:
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
    return await call(message, timeout=timeout)


def watch(channel: grpc.aio.Channel, timeout: float | None = None) -> grpc.aio.UnaryStreamCall[bytes, bytes]:
    method: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(WatchSession)
    return method(b"", timeout=timeout)


async def eventually(condition: Callable[[], bool], timeout: float = 30) -> None:
    """Wait until the condition holds; TimeoutError when it does not within `timeout` seconds."""
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110  # a plain value has nothing to await
            await asyncio.sleep(0.01)


def upstream_settings(directory: Path, **settings: Any) -> GatewaySettings:
    """Settings of a gateway on a free port before unix sockets in `directory`."""
    sockets = {
        f"{name}_address": Address(path=str(directory / f"{name}.sock"))
        for name in ("agent", "tools", "browser", "site")
    }
    return GatewaySettings.load(**{"port": 0, **sockets, **settings})


@contextlib.asynccontextmanager
async def running_mesh(directory: Path, **settings: Any) -> AsyncIterator[Mesh]:
    """A mesh whose sockets lie in `directory`; everything is stopped at the end."""
    async with contextlib.AsyncExitStack() as stack:
        config = upstream_settings(directory, **settings)
        agent = Upstream("agent", config.agent_address[0])
        tools = Upstream("tools", config.tools_address[0])
        browser = Upstream("browser", config.browser_address[0])
        site = Site(config.site_address[0])
        for part in (agent, tools, browser, site):
            await part.start()
            stack.push_async_callback(part.stop)
        gateway = await stack.enter_async_context(Gateway(config))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(gateway.address))
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)))
        yield Mesh(config, gateway, agent, tools, browser, site, channel, http)
