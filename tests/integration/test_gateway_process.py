"""The gateway as a process: start, stop, crash, and never a process left."""

from __future__ import annotations

import asyncio
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import grpc
import psutil
import pytest

from meshwright.envoy.binary import EnvoyError
from meshwright.gateway.failure import GatewayError
from meshwright.gateway.gateway import Gateway
from tests.support import grpc_web
from tests.support.gateway_mesh import GetAgent, WatchSession, eventually, running_mesh, unary, upstream_settings, watch
from tests.support.gateway_process import serving

if TYPE_CHECKING:
    pass


def entries(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_with_exit_code_0_and_leaves_nothing(tmp_path: Path, stop: signal.Signals) -> None:
    async with serving(tmp_path) as gateway:
        await gateway.address()
        envoys = gateway.envoys()
        assert envoys
        gateway.process.send_signal(stop)
        code, said = await gateway.end()
    assert code == 0, said
    assert gone(envoys)
    assert entries(tmp_path) == []


async def test_killing_the_parent_leaves_no_envoy(tmp_path: Path) -> None:
    async with serving(tmp_path) as gateway:
        await gateway.address()
        envoys = gateway.envoys()
        assert envoys
        gateway.process.kill()
        await gateway.process.wait()
        await eventually(lambda: gone(envoys))


async def test_an_envoy_that_dies_ends_the_process_with_an_error(tmp_path: Path) -> None:
    async with serving(tmp_path) as gateway:
        await gateway.address()
        for envoy in gateway.envoys():
            envoy.kill()
        code, said = await gateway.end()
    assert code == 2
    assert "Envoy ended by itself with exit code -9" in said


async def test_open_streams_get_time_to_end_while_health_tells_that_it_stops(tmp_path: Path) -> None:
    async with (
        running_mesh(tmp_path) as mesh,
        serving(tmp_path, MESHWRIGHT_GATEWAY_DRAIN_SECONDS="10") as gateway,
    ):
        address = await gateway.address()
        async with grpc_web.start(mesh.http, address, WatchSession) as stream:
            messages = aiter(stream)
            assert await anext(messages) == b"0"
            gateway.process.send_signal(signal.SIGTERM)
            async with aiohttp.ClientSession() as other, asyncio.timeout(30):
                while await status(other, f"http://{address}/healthz") == 200:  # noqa: ASYNC110  # nothing to await
                    await asyncio.sleep(0.02)
            mesh.agent.tick.set()
            async with asyncio.timeout(30):
                assert await anext(messages) == b"1"
            assert gateway.process.returncode is None
        code, _ = await gateway.end()
    assert code == 0


async def test_a_stream_that_never_ends_delays_the_stop_by_the_drain_time_only(tmp_path: Path) -> None:
    async with (
        running_mesh(tmp_path) as mesh,
        serving(tmp_path, MESHWRIGHT_GATEWAY_DRAIN_SECONDS="0.3") as gateway,
    ):
        async with grpc.aio.insecure_channel(await gateway.address()) as channel:
            stream = watch(channel)
            assert await stream.read() == b"0"
            gateway.process.send_signal(signal.SIGTERM)
            code, _ = await gateway.end()
            assert code == 0
        await eventually(lambda: mesh.agent.waiting == 0)


async def test_a_second_signal_ends_the_draining(tmp_path: Path) -> None:
    async with (
        running_mesh(tmp_path) as mesh,
        serving(tmp_path, MESHWRIGHT_GATEWAY_DRAIN_SECONDS="600") as gateway,
    ):
        address = await gateway.address()
        async with grpc.aio.insecure_channel(address) as channel:
            stream = watch(channel)
            assert await stream.read() == b"0"
            gateway.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(30):
                while await status(mesh.http, f"http://{address}/healthz") == 200:  # noqa: ASYNC110  # nothing to await
                    await asyncio.sleep(0.02)
            gateway.process.send_signal(signal.SIGTERM)
            code, _ = await gateway.end()
    assert code == 0


async def test_a_port_in_use_is_told_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with serving(tmp_path, MESHWRIGHT_PORT=str(port)) as gateway:
            code, said = await gateway.end()
    assert code == 2
    assert said.strip() == f"port {port} is in use; stop what uses it or set MESHWRIGHT_PORT to another one"


async def test_a_second_gateway_does_not_take_half_of_the_first_ones_connections(tmp_path: Path) -> None:
    async with running_mesh(tmp_path) as mesh:
        port = int(mesh.gateway.address.rpartition(":")[2])
        with pytest.raises(GatewayError, match="is in use"):
            await Gateway(mesh.settings.model_copy(update={"port": port})).__aenter__()


async def test_several_gateways_run_side_by_side(tmp_path: Path) -> None:
    async with running_mesh(tmp_path) as mesh, Gateway(mesh.settings) as other:
        assert other.address != mesh.gateway.address
        async with grpc.aio.insecure_channel(other.address) as channel:
            assert await unary(channel, GetAgent) == b"agent"


async def test_it_listens_on_ipv6_loopback_too(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, host="::1") as mesh:
        assert mesh.gateway.address.startswith("[::1]:")
        assert await mesh.unary(GetAgent) == b"agent"


async def test_its_folder_and_its_admin_socket_are_private_and_short_enough(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, runtime_dir=tmp_path):
        (directory,) = [tmp_path / name for name in entries(tmp_path) if name.startswith("gateway-")]
        assert directory.stat().st_mode & 0o077 == 0
        assert (directory / "admin.sock").stat().st_mode & 0o077 == 0
    deep = tmp_path / ("x" * 100)
    with pytest.raises(EnvoyError, match="MESHWRIGHT_RUNTIME_DIR"):
        await Gateway(upstream_settings(Path("/tmp"), runtime_dir=deep)).__aenter__()
    assert entries(deep) == []


async def status(http: aiohttp.ClientSession, url: str) -> int:
    """The status of a GET, 0 when nobody listens any more."""
    try:
        async with http.get(url) as response:
            return response.status
    except aiohttp.ClientConnectionError:
        return 0
