"""An agent whose shared store does not answer when it starts: it serves, says what it waits for, and is ready once the store is there."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

import grpc
import pytest
from structlog.testing import capture_logs

from meshwright.agent import store_contact
from meshwright.agent.service import agent_service
from meshwright.agent.settings import AgentSettings
from meshwright.serving.address import Address
from meshwright.serving.server import Server
from meshwright.serving.startup import StartupError
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
from tests.support.commands import run
from tests.support.mesh_process import MESHWRIGHT
from tests.support.ports import reserved_port
from tests.support.redis_cluster import RedisCluster
from tests.support.redis_server import RedisServer
from tests.support.service_process import service_process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.support.service_process import ServiceProcess

LIMIT = 60.0
SERVICE = "meshwright.v1.AgentService"


def user(password: str) -> list[str]:
    """A server's arguments for a user called mesh."""
    return ["--user", "mesh", "on", f">{password}", "~*", "&*", "+@all"]


async def create_session(agent: ServiceProcess) -> str:
    async with grpc.aio.insecure_channel(agent.address) as channel:
        created = await AgentServiceStub(channel).CreateSession(pb.CreateSessionRequest(), timeout=LIMIT)
    return created.session.session_id


@pytest.mark.parametrize("kind", ["one server", "a cluster"])
async def test_an_agent_that_is_there_first_is_ready_as_soon_as_its_store_answers(kind: str, tmp_path: Path) -> None:
    server = RedisServer(tmp_path) if kind == "one server" else RedisCluster(tmp_path)
    async with service_process("agent", tmp_path, MESHWRIGHT_STORE_URL=server.url) as agent:
        await agent.reports(serving=False)
        await agent.reports(serving=False, service=SERVICE)
        await agent.says("not ready")
        assert "waiting_for='the store at " in agent.said
        assert await agent.lives()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await create_session(agent)
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
        with server:
            await agent.reports(serving=True)
            await agent.reports(serving=True, service=SERVICE)
            assert await create_session(agent)
            assert agent.said.count("Connection refused") + agent.said.count("No such file") == 1, agent.said
            agent.process.send_signal(signal.SIGTERM)
            assert await agent.end() == 0


async def test_what_is_waited_for_is_said_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_contact, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(store_contact, "REMIND_SECONDS", 0.05)
    settings = AgentSettings.load(
        listen=Address("127.0.0.1", 0), data_dir=tmp_path, model="offline", store_url="redis://127.0.0.1:1/0"
    )
    with capture_logs() as lines:
        async with Server(agent_service(settings), settings), asyncio.timeout(LIMIT):
            while [line["event"] for line in lines].count("not ready") < 3:  # noqa: ASYNC110  # the log just grows
                await asyncio.sleep(0.01)


async def test_an_agent_that_waits_can_be_stopped(tmp_path: Path) -> None:
    async with service_process("agent", tmp_path, MESHWRIGHT_STORE_URL="redis://127.0.0.1:1/0") as agent:
        await agent.says("waiting_for='the store at 127.0.0.1:1: Connection refused'")
        agent.process.send_signal(signal.SIGTERM)
        assert await agent.end() == 0
    assert "Traceback" not in agent.said


async def test_a_store_that_comes_and_refuses_ends_the_agent_with_a_sentence(tmp_path: Path) -> None:
    with reserved_port() as port:
        url = f"redis://mesh:secret@127.0.0.1:{port}/0"
        async with service_process("agent", tmp_path, MESHWRIGHT_STORE_URL=url) as agent:
            await agent.says("not ready")
            with RedisServer(tmp_path, arguments=["--port", str(port), *user("other")]):
                assert await agent.end() == 2
    assert f"The store at 127.0.0.1:{port} does not take the name and password" in agent.said
    assert "secret" not in agent.said
    assert "Traceback" not in agent.said


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with reserved_port() as port:
        arguments = ["--port", str(port), "--bind", "127.0.0.1", *user("right")]
        with RedisServer(tmp_path_factory.mktemp("redis"), arguments=arguments):
            yield port


@contextlib.asynccontextmanager
async def web_server() -> AsyncIterator[int]:
    """Something else than a Redis; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://mesh:secret@127.0.0.1:{redis}/0", "does not take the name and password"),
        ("redis+cluster://mesh:secret@127.0.0.1:{redis}", "does not take the name and password"),
        ("redis://127.0.0.1:{redis}/99", "DB index is out of range"),
        ("redis://127.0.0.1:{redis}/first", "names a database 'first'"),
        ("redis+cluster://127.0.0.1:{redis}", "cluster support disabled"),
        ("redis://127.0.0.1:{redis}/0?patience=9", "an option that does not exist: 'patience'"),
        ("rediss://127.0.0.1:{redis}/0?ssl_ca_certs=/nowhere/ca.pem", "a file that is not there"),
        ("redis://127.0.0.1:{web}/0", "is no Redis or Valkey"),
        ("rediss://127.0.0.1:{web}/0", "cannot be reached over TLS"),
        ("postgres://localhost", "is not an address of a store"),
        ("redis://localhost:port/0", "is not an address of a store"),
        ("redis+cluster://", "is not an address of a store"),
        ("redis://[::1/0", "is not an address of a store"),
    ],
)
async def test_a_store_that_can_never_be_used_ends_the_start_in_words(
    url: str, words: str, redis_port: int, tmp_path: Path
) -> None:
    async with web_server() as web_port:
        store_url = url.format(redis=redis_port, web=web_port)
        settings = AgentSettings.load(
            listen=Address("127.0.0.1", 0), data_dir=tmp_path, model="offline", store_url=store_url
        )
        with pytest.raises(StartupError, match=words) as caught:
            async with Server(agent_service(settings), settings):
                pass
    assert "MESHWRIGHT_STORE_URL" in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_the_doctor_asks_the_store(redis_port: int, tmp_path: Path) -> None:
    verdicts = []
    for password in ("right", "wrong"):
        settings = {"MESHWRIGHT_STORE_URL": f"redis://mesh:{password}@127.0.0.1:{redis_port}/0"}
        done = await run(MESHWRIGHT, "doctor", MESHWRIGHT_DATA_DIR=str(tmp_path), **settings)
        verdicts += [" ".join(line.split()) for line in done.out.splitlines() if " store " in line]
    assert verdicts[0] == f"✓ store answers at 127.0.0.1:{redis_port}"
    assert verdicts[1].startswith(f"✗ store The store at 127.0.0.1:{redis_port} does not take the name and password")


async def test_a_mesh_of_one_machine_says_at_once_that_its_store_is_not_there(tmp_path: Path) -> None:
    settings = {"MESHWRIGHT_STORE_URL": "redis://:secret@127.0.0.1:1/0"}
    done = await run(MESHWRIGHT, "up", "--port", "0", "--data-dir", str(tmp_path), **settings)
    assert (done.code, "the store at 127.0.0.1:1: Connection refused" in done.err) == (2, True), done.err
    assert "secret" not in done.err
