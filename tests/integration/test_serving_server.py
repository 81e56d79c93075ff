"""A server from its opening to its last call, over real sockets."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from meshwright.serving.address import Address
from meshwright.serving.channel import open_channel
from meshwright.serving.errors import MeshError
from meshwright.serving.server import Server, Service
from meshwright.serving.settings import ServerSettings
from meshwright.serving.startup import StartupError
from meshwright.v1 import agent_service_pb2, tool_service_pb2
from tests.serving_echo import SERVICE, Echo, EchoStub, echo_request, register
from tests.support.tcp_proxy import tcp_proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

from meshwright.serving.health import Readiness

LIMIT = 60.0
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class Diary:
    """What happened to the service, in order."""

    def __init__(self) -> None:
        self.entries: list[str] = []
        self.readiness: Readiness | None = None
        self.on_drain: Callable[[], Any] | None = None

    @asynccontextmanager
    async def open(self, readiness: Readiness) -> AsyncIterator[Echo]:
        self.readiness = readiness
        self.entries.append("opened")
        try:
            yield Echo()
        finally:
            self.entries.append("closed")

    async def drain(self, _echo: Echo) -> None:
        self.entries.append("drained")
        if self.on_drain is not None:
            await self.on_drain()

    @property
    def service(self) -> Service[Echo]:
        return Service(SERVICE, register, self.open, self.drain)


def settings(**given: Any) -> ServerSettings:
    return ServerSettings(**{"listen": "127.0.0.1:0", "stop_grace": LIMIT, **given})


async def health_of(channel: grpc.aio.Channel, service: str) -> int:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    response = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=LIMIT)
    return int(response.status)


@asynccontextmanager
async def serving(diary: Diary, **given: Any) -> AsyncIterator[tuple[Server[Echo], grpc.aio.Channel]]:
    async with Server(diary.service, settings(**given)) as server, open_channel(server.address) as channel:
        yield server, channel


async def test_a_server_serves_its_service_until_its_block_ends() -> None:
    diary = Diary()
    async with serving(diary) as (server, channel):
        assert await EchoStub(channel).send("Unary", echo_request("hi"), timeout=LIMIT) == ["hi"]
        assert server.address.port > 0
        assert diary.entries == ["opened"]
    assert diary.entries == ["opened", "drained", "closed"]


async def test_health_follows_what_the_service_says() -> None:
    diary = Diary()
    async with serving(diary) as (_, channel):
        assert [await health_of(channel, name) for name in ("", SERVICE)] == [SERVING, SERVING]
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=SERVICE), timeout=LIMIT)
        assert (await watch.read()).status == SERVING
        assert diary.readiness is not None
        diary.readiness.set_waiting("warming 2 browsers")
        assert (await watch.read()).status == NOT_SERVING
        assert await health_of(channel, "live") == SERVING
        assert diary.readiness.waiting_for == "warming 2 browsers"
        diary.readiness.set_ready()
        assert (await watch.read()).status == SERVING
        watch.cancel()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health_of(channel, "no.such.Service")
        assert caught.value.code() is StatusCode.NOT_FOUND


async def test_a_server_that_stops_goes_through_its_stages_in_order() -> None:
    diary = Diary()
    stages: list[str] = []
    async with serving(diary) as (server, channel):
        echo = server.servicer
        talking = asyncio.create_task(EchoStub(channel).send("Chat", echo_request(behavior="hang"), timeout=LIMIT))
        await asyncio.wait_for(echo.entered.wait(), LIMIT)

        async def look() -> None:
            stages.append(f"health {await health_of(channel, SERVICE)}")
            stages.append(f"new call {await EchoStub(channel).send('Unary', echo_request('late'), timeout=LIMIT)}")
            stages.append(f"running {server.running_calls}")
            talking.cancel()

        diary.on_drain = look
        await asyncio.wait_for(server.stop(), LIMIT)
        stages.append(f"running {server.running_calls}")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await EchoStub(channel).send("Unary", echo_request("too late"), timeout=LIMIT)
        assert caught.value.code() is StatusCode.UNAVAILABLE
        assert diary.entries == ["opened", "drained"]
    assert stages == [f"health {NOT_SERVING}", "new call ['late']", "running 1", "running 0"]
    assert echo.cleaned_up == 2


async def test_calls_that_run_when_the_server_stops_may_finish_within_the_grace() -> None:
    diary = Diary()
    async with serving(diary) as (server, channel):
        calling = asyncio.create_task(EchoStub(channel).send("Unary", echo_request("done", "wait"), timeout=LIMIT))
        await asyncio.wait_for(server.servicer.entered.wait(), LIMIT)

        async def release_later() -> None:
            asyncio.get_running_loop().call_later(0.2, server.servicer.released.set)

        diary.on_drain = release_later
        await asyncio.wait_for(server.stop(), LIMIT)
        assert await calling == ["done"]


async def test_a_call_that_comes_during_the_grace_is_refused_with_a_typed_error() -> None:
    diary = Diary()
    async with serving(diary) as (server, channel):
        running = asyncio.create_task(EchoStub(channel).send("Unary", echo_request("done", "wait"), timeout=LIMIT))
        await asyncio.wait_for(server.servicer.entered.wait(), LIMIT)
        stopping = asyncio.create_task(server.stop())
        refusals: list[MeshError] = []
        async with asyncio.timeout(LIMIT):
            while not refusals:
                try:
                    await EchoStub(channel).send("Unary", echo_request("new"), timeout=LIMIT)
                except grpc.aio.AioRpcError as error:
                    refusals.append(MeshError.from_rpc_error(error))
        server.servicer.released.set()
        await asyncio.wait_for(stopping, LIMIT)
        assert (refusals[0].reason_name, refusals[0].retry_after) == ("UNAVAILABLE", 1.0)
        assert await running == ["done"]


async def test_calls_that_outlast_the_grace_are_cut_before_the_service_closes() -> None:
    diary = Diary()
    async with serving(diary, stop_grace=0.1) as (server, channel):
        calling = asyncio.create_task(EchoStub(channel).send("Unary", echo_request(behavior="hang"), timeout=LIMIT))
        await asyncio.wait_for(server.servicer.entered.wait(), LIMIT)
        await asyncio.wait_for(server.stop(), LIMIT)
        assert server.servicer.cleaned_up == 1
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await calling
        assert caught.value.code() is StatusCode.UNAVAILABLE


async def test_watchers_of_health_do_not_hold_up_the_stop() -> None:
    async with serving(Diary(), stop_grace=3600) as (server, channel):
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=SERVICE), timeout=10 * LIMIT)
        assert (await watch.read()).status == SERVING
        await asyncio.wait_for(server.stop(), LIMIT)


async def test_a_drain_that_fails_does_not_keep_the_server_from_stopping() -> None:
    diary = Diary()

    async def fail() -> None:
        message = "the store is gone"
        raise RuntimeError(message)

    diary.on_drain = fail
    async with serving(diary):
        pass
    assert diary.entries == ["opened", "drained", "closed"]


async def test_what_was_opened_is_closed_when_the_server_cannot_start() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        diary = Diary()
        port = taken.getsockname()[1]
        with pytest.raises(StartupError, match=f"Cannot listen on 127.0.0.1:{port}"):
            async with Server(diary.service, settings(listen=f"127.0.0.1:{port}")):
                pass
    assert diary.entries == ["opened", "closed"]


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "10.1.2.3:80", "example.com:80"])
async def test_other_addresses_than_loopback_are_refused_with_a_way_out(listen: str) -> None:
    diary = Diary()
    with pytest.raises(StartupError, match="MESHWRIGHT_TRUSTED_NETWORK=true"):
        async with Server(diary.service, settings(listen=listen)):
            pass
    assert diary.entries == []


async def test_a_trusted_network_may_be_listened_to() -> None:
    async with serving(Diary(), listen="0.0.0.0:0", trusted_network=True) as (_, channel):
        assert await health_of(channel, "") == SERVING


async def test_connections_are_renewed_by_their_age_while_open_streams_stay() -> None:
    async with (
        Server(Diary().service, settings(connection_age=0.3)) as server,
        tcp_proxy(str(server.address)) as proxy,
        open_channel(Address.parse(proxy.address)) as channel,
    ):
        stub = EchoStub(channel)
        stream = stub.chat(timeout=LIMIT)
        await stream.write(echo_request("before"))
        assert (await stream.read()).text == "before"
        async with asyncio.timeout(LIMIT):
            while proxy.connections < 4:
                assert await stub.send("Unary", echo_request("hi"), timeout=LIMIT) == ["hi"]
        await stream.write(echo_request("after"))
        assert (await stream.read()).text == "after"
        await stream.done_writing()


async def test_a_unix_socket_is_private_and_goes_with_its_server(tmp_path: Path) -> None:
    path = tmp_path / "run" / "agent.sock"
    async with serving(Diary(), listen=f"unix:{path}") as (server, channel):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert await EchoStub(channel).send("Unary", echo_request("hi"), timeout=LIMIT) == ["hi"]
        assert str(server.address) == f"unix:{path}"
        with pytest.raises(StartupError, match="another process does already"):
            async with Server(Diary().service, settings(listen=f"unix:{path}")):
                pass
        assert await EchoStub(channel).send("Unary", echo_request("still"), timeout=LIMIT) == ["still"]
    assert not path.exists()


async def test_a_unix_socket_that_a_killed_server_left_behind_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    umask = os.umask(0o022)
    os.umask(umask)
    async with serving(Diary(), listen=f"unix:{path}") as (_, channel):
        assert await health_of(channel, SERVICE) == SERVING
    assert os.umask(umask) == umask


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_lists_and_describes_the_services_of_the_mesh(version: str) -> None:
    names = [
        module.DESCRIPTOR.services_by_name[name].full_name
        for module, name in ((agent_service_pb2, "AgentService"), (tool_service_pb2, "ToolService"))
    ]
    async with (
        Server(Diary().service, settings(), reflected_services=tuple(names)) as server,
        open_channel(server.address) as channel,
    ):
        call: Any = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )(timeout=LIMIT)
        await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        listed = (await call.read()).list_services_response.service
        assert {s.name for s in listed} == {
            *names,
            SERVICE,
            "grpc.health.v1.Health",
            "grpc.reflection.v1alpha.ServerReflection",
        }
        for name in {s.name for s in listed}:
            await call.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol=name))
            assert (await call.read()).file_descriptor_response.file_descriptor_proto
        await call.done_writing()
