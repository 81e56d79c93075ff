"""What a caller sees when a service behind the gateway is down, dies or hangs."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from meshwright.gateway.gateway import Gateway
from meshwright.serving.address import Address
from tests.support import grpc_web
from tests.support.gateway_mesh import (
    AGENT,
    BROWSER,
    TOOLS,
    GetAgent,
    Mesh,
    Relay,
    Upstream,
    WatchSession,
    running_mesh,
    unary,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from google.rpc import status_pb2

UNAVAILABLE = 14
QUICK = 10.0


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Mesh]:
    async with running_mesh(tmp_path) as mesh:
        yield mesh


def assert_typed(status: status_pb2.Status | None, service: str) -> None:
    assert status is not None
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(retry)
    assert (info.reason, info.domain, dict(info.metadata)) == ("UNAVAILABLE", "meshwright", {"service": service})
    assert retry.retry_delay.ToTimedelta().total_seconds() > 0


@pytest.mark.parametrize(
    ("name", "method"), [("agent", f"{AGENT}/GetAgent"), ("tools", f"{TOOLS}/Call"), ("browser", f"{BROWSER}/GetPool")]
)
async def test_a_service_that_is_down_is_quickly_unavailable_with_details(mesh: Mesh, name: str, method: str) -> None:
    upstream: Upstream = getattr(mesh, name)
    await upstream.stop()
    service = method.split("/")[1]

    began = time.monotonic()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await mesh.unary(method)
    _, web = await grpc_web.call(mesh.http, mesh.gateway.address, method)
    assert time.monotonic() - began < QUICK

    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    # Raises when code or message inside of the details differ from those outside.
    error: Any = caught.value
    assert_typed(rpc_status.from_call(error), service)
    assert (web.code, web.message) == (UNAVAILABLE, caught.value.details())
    assert_typed(web.details, service)


async def test_a_service_that_comes_back_is_served_at_once(mesh: Mesh) -> None:
    await mesh.agent.stop()
    with pytest.raises(grpc.aio.AioRpcError):
        await mesh.unary(GetAgent)
    await mesh.agent.start()
    assert await mesh.unary(GetAgent) == b"agent"


async def test_an_address_that_never_answers_is_unavailable_within_seconds(mesh: Mesh) -> None:
    # Reserved for documentation: nothing ever answers there, or the network says at once that it cannot be reached.
    settings = mesh.settings.model_copy(update={"agent_address": (Address("192.0.2.1", 81),)})
    async with Gateway(settings) as gateway, grpc.aio.insecure_channel(gateway.address) as channel:
        began = time.monotonic()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await unary(channel, GetAgent, timeout=14)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert time.monotonic() - began < QUICK


async def test_a_service_that_dies_in_the_middle_ends_its_streams_and_the_next_call_works(
    mesh: Mesh, tmp_path: Path
) -> None:
    async with Relay(tmp_path / "relay.sock", mesh.agent.address.socket_path) as relay:
        settings = mesh.settings.model_copy(update={"agent_address": (Address(path=str(tmp_path / "relay.sock")),)})
        async with Gateway(settings) as gateway, grpc.aio.insecure_channel(gateway.address) as channel:
            method: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(WatchSession)
            native = method(b"")
            assert await native.read() == b"0"
            async with grpc_web.start(mesh.http, gateway.address, WatchSession) as web:
                messages = aiter(web)
                assert await anext(messages) == b"0"
                relay.cut()
                async with asyncio.timeout(30):
                    with pytest.raises(grpc.aio.AioRpcError):
                        await native.read()
                    with pytest.raises(aiohttp.ClientPayloadError):
                        await anext(messages)
            assert await unary(channel, GetAgent) == b"agent"
