"""Native gRPC through a real Envoy."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import pytest
import pytest_asyncio
from google.protobuf.json_format import MessageToDict
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from tests.support.gateway_mesh import (
    AGENT,
    BROWSER,
    TOOLS,
    Converse,
    CreateSession,
    GetAgent,
    ListSessions,
    eventually,
    running_mesh,
    unary,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.gateway_mesh import Mesh


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    async with running_mesh(tmp_path_factory.mktemp("mesh")) as mesh:
        yield mesh


@pytest.mark.parametrize(
    ("method", "upstream"),
    [(f"{AGENT}/GetAgent", b"agent"), (f"{TOOLS}/ListTools", b"tools"), (f"{BROWSER}/GetPool", b"browser")],
)
async def test_each_service_is_reached_under_its_name(mesh: Mesh, method: str, upstream: bytes) -> None:
    assert await mesh.unary(method) == upstream


async def test_messages_of_a_bidirectional_stream_pass_one_by_one(mesh: Mesh) -> None:
    stream = mesh.converse()
    for message in (b"a", b"b" * 100_000, b"c"):
        await stream.write(message)
        async with asyncio.timeout(30):
            assert await stream.read() == message
    await stream.done_writing()
    assert await stream.code() is grpc.StatusCode.OK


async def test_health_answers_on_the_same_port(mesh: Mesh) -> None:
    answer = await mesh.unary("/grpc.health.v1.Health/Check")
    assert health_pb2.HealthCheckResponse.FromString(answer).status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_lists_the_services_in_both_versions(mesh: Mesh, version: str) -> None:
    method: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = mesh.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    )
    stream = method(timeout=30)
    await stream.write(reflection_pb2.ServerReflectionRequest(list_services="*").SerializeToString())
    answer = await stream.read()
    assert isinstance(answer, bytes)
    listed = MessageToDict(reflection_pb2.ServerReflectionResponse.FromString(answer))["listServicesResponse"]
    assert {"name": "meshwright.v1.AgentService"} in listed["service"]


@pytest.mark.parametrize("method", ["/meshwright.v1.NoService/Do", "/other.Service/Do", f"{AGENT}/NoSuchMethod"])
async def test_an_unknown_method_is_unimplemented(mesh: Mesh, method: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await mesh.unary(method)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_deadline_in_the_middle_of_a_stream_is_told_as_such(mesh: Mesh) -> None:
    """Not as INTERNAL, which is what a stream cut by Envoy's own timer looks like."""
    watches = [mesh.watch(timeout=0.1 + 0.001 * number) for number in range(100)]

    async def end(watch: grpc.aio.UnaryStreamCall[bytes, bytes]) -> grpc.StatusCode:
        async with asyncio.timeout(30):
            return await watch.code()

    assert {await end(watch) for watch in watches} == {grpc.StatusCode.DEADLINE_EXCEEDED}
    await eventually(lambda: mesh.agent.waiting == 0)


async def test_cancelling_a_watch_cancels_it_at_the_service(mesh: Mesh) -> None:
    before = mesh.agent.cancelled
    watch = mesh.watch()
    assert await watch.read() == b"0"
    watch.cancel()
    await eventually(lambda: mesh.agent.cancelled == before + 1)


async def test_a_large_message_passes(mesh: Mesh) -> None:
    message = b"x" * 3_000_000
    assert await mesh.unary(CreateSession, message) == message


async def test_a_message_of_10_mb_is_refused_by_the_service_with_its_own_status(mesh: Mesh) -> None:
    for _ in range(5):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await mesh.unary(CreateSession, b"x" * 10_000_000)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert await mesh.unary(GetAgent) == b"agent"


async def test_one_connection_carries_a_thousand_watches_and_more_calls(mesh: Mesh) -> None:
    watches = [mesh.watch() for _ in range(1_100)]
    async with asyncio.timeout(30):
        assert {await watch.read() for watch in watches} == {b"0"}
        assert await mesh.unary(GetAgent) == b"agent"
    for watch in watches:
        watch.cancel()
    await eventually(lambda: mesh.agent.waiting == 0)


@pytest.mark.parametrize("answered", [True, False])
async def test_cancelling_many_calls_does_not_cost_the_connection_and_its_other_streams(
    mesh: Mesh, answered: bool
) -> None:
    """Envoy and its HTTP/2 codec take a client that cancels often for an attacker unless told otherwise."""
    kept = mesh.watch()
    assert await kept.read() == b"0"
    hang: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = mesh.channel.unary_unary(ListSessions)
    for _ in range(15):
        calls: list[grpc.aio.Call] = []
        for _ in range(100):
            if answered:
                watch = mesh.watch()
                await watch.read()
                calls.append(watch)
            else:
                calls.append(hang(b""))
        await eventually(lambda: mesh.agent.waiting == 101)
        for call in calls:
            call.cancel()
        await eventually(lambda: mesh.agent.waiting == 1)
    mesh.agent.tick.set()
    async with asyncio.timeout(30):
        assert await kept.read() == b"1"
    kept.cancel()
    await eventually(lambda: mesh.agent.waiting == 0)


async def test_readers_that_stall_do_not_stop_the_others(mesh: Mesh) -> None:
    """All streams share one connection to the service: stalled ones must not use up its window."""
    options = [("grpc.http2.bdp_probe", 0)]  # Or the client takes in megabytes that nobody reads.
    async with grpc.aio.insecure_channel(mesh.gateway.address, options=options) as channel:
        method: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(Converse)
        stalled = [method() for _ in range(40)]
        for stream in stalled:
            await stream.write(b"x" * 1_000_000)
        assert await unary(channel, CreateSession, b"y" * 1_000_000) == b"y" * 1_000_000


async def test_the_callers_request_id_reaches_the_service_and_comes_back(mesh: Mesh) -> None:
    method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = mesh.channel.unary_unary(GetAgent)
    call = method(b"", metadata=(("x-request-id", "my-id"),), timeout=30)
    await call
    assert mesh.agent.metadata[-1]["x-request-id"] == "my-id"
    assert dict(await call.initial_metadata())["x-request-id"] == "my-id"


async def test_the_host_name_of_a_channel_must_be_allowed(mesh: Mesh) -> None:
    options = [("grpc.default_authority", "attacker.example:80")]
    async with grpc.aio.insecure_channel(mesh.gateway.address, options=options) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await unary(channel, GetAgent)
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert "MESHWRIGHT_ALLOWED_HOSTS" in (caught.value.details() or "")
