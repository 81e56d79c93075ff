"""gRPC-Web over HTTP/1.1 through a real Envoy."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from meshwright.serving.errors import MeshError
from tests.support import grpc_web
from tests.support.gateway_mesh import (
    AGENT,
    BROWSER,
    TOOLS,
    CreateSession,
    GetAgent,
    WatchSession,
    eventually,
    running_mesh,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.gateway_mesh import Mesh

OK, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNIMPLEMENTED = 0, 4, 8, 12


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    async with running_mesh(tmp_path_factory.mktemp("mesh")) as mesh:
        yield mesh


@pytest.mark.parametrize(
    ("method", "upstream"),
    [(f"{AGENT}/GetAgent", b"agent"), (f"{TOOLS}/ListTools", b"tools"), (f"{BROWSER}/GetPool", b"browser")],
)
async def test_a_unary_call_answers_with_a_message_and_trailers_in_the_body(
    mesh: Mesh, method: str, upstream: bytes
) -> None:
    messages, status = await grpc_web.call(mesh.http, mesh.gateway.address, method)
    assert messages == [upstream]
    assert (status.http_status, status.code, status.in_headers) == (200, OK, False)


async def test_health_answers(mesh: Mesh) -> None:
    _, status = await grpc_web.call(mesh.http, mesh.gateway.address, "/grpc.health.v1.Health/Check")
    assert status.code == OK


async def test_messages_of_a_server_stream_come_as_they_are_sent(mesh: Mesh) -> None:
    async with grpc_web.start(mesh.http, mesh.gateway.address, WatchSession) as watch, asyncio.timeout(30):
        messages = aiter(watch)
        for expected in (b"0", b"1", b"2"):
            assert await anext(messages) == expected
            mesh.agent.tick.set()
    await eventually(lambda: mesh.agent.waiting == 0)
    mesh.agent.tick.clear()


async def test_closing_the_answer_cancels_the_stream_at_the_service(mesh: Mesh) -> None:
    before = mesh.agent.cancelled
    async with grpc_web.start(mesh.http, mesh.gateway.address, WatchSession) as watch:
        assert await anext(aiter(watch)) == b"0"
    await eventually(lambda: mesh.agent.cancelled == before + 1)


async def test_a_stream_without_deadline_outlives_two_quiet_seconds(mesh: Mesh) -> None:
    async with grpc_web.start(mesh.http, mesh.gateway.address, WatchSession) as watch, asyncio.timeout(30):
        messages = aiter(watch)
        assert await anext(messages) == b"0"
        await asyncio.sleep(2)
        mesh.agent.tick.set()
        assert await anext(messages) == b"1"


async def test_a_deadline_ends_the_stream_with_its_status_in_the_trailers(mesh: Mesh) -> None:
    messages, status = await grpc_web.call(
        mesh.http, mesh.gateway.address, WatchSession, headers={"grpc-timeout": "300m"}
    )
    assert messages == [b"0"]
    assert (status.code, status.in_headers) == (DEADLINE_EXCEEDED, False)


@pytest.mark.parametrize(
    ("method", "http_status"), [("/meshwright.v1.NoService/Do", 404), (f"{AGENT}/NoSuchMethod", 200)]
)
async def test_an_unknown_method_is_unimplemented(mesh: Mesh, method: str, http_status: int) -> None:
    _, status = await grpc_web.call(mesh.http, mesh.gateway.address, method)
    assert (status.code, status.http_status, status.in_headers) == (UNIMPLEMENTED, http_status, True)
    if http_status == 404:
        assert status.details is not None
        assert MeshError.from_status(status.details).reason_name == "NOT_IMPLEMENTED"


async def test_a_large_message_passes(mesh: Mesh) -> None:
    message = b"x" * 3_000_000
    messages, status = await grpc_web.call(mesh.http, mesh.gateway.address, CreateSession, message)
    assert (messages, status.code) == ([message], OK)


async def test_a_message_of_10_mb_is_refused_by_the_service_with_its_own_status(mesh: Mesh) -> None:
    """Not as a broken connection, although the answer comes long before the last byte of the request."""
    for _ in range(5):
        _, status = await grpc_web.call(mesh.http, mesh.gateway.address, CreateSession, b"x" * 10_000_000)
        assert (status.code, status.http_status) == (RESOURCE_EXHAUSTED, 200)
    messages, _ = await grpc_web.call(mesh.http, mesh.gateway.address, GetAgent)
    assert messages == [b"agent"]


async def test_good_calls_are_counted_as_good_although_their_status_is_in_the_body(mesh: Mesh) -> None:
    name = "cluster.agent.grpc.meshwright.v1.AgentService.GetAgent.success"
    before = await mesh.gateway.admin.stats(name)
    await grpc_web.call(mesh.http, mesh.gateway.address, GetAgent)
    assert await mesh.gateway.admin.stats(name) == {name: before[name] + 1}
