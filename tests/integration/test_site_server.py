"""Starting and stopping the site: where it may listen, what it leaves behind, how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from meshwright.serving.address import Address
from meshwright.serving.startup import StartupError
from meshwright.site.run import serve_site
from meshwright.site.settings import SiteSettings
from tests.support.site_server import running_site

RUN = "import uvloop; from meshwright.site.run import run_site; from meshwright.site.settings import SiteSettings; "
RUN += "uvloop.run(run_site(SiteSettings.load()))"


async def test_a_tcp_address_with_port_zero_gives_the_port_that_was_bound() -> None:
    async with (
        serve_site(SiteSettings.load(listen=Address("127.0.0.1", 0))) as address,
        aiohttp.ClientSession() as client,
        client.get(f"http://{address}/healthz") as answer,
    ):
        assert await answer.json() == {"status": "ok"}


async def test_a_unix_socket_is_the_owners_alone_and_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "site.sock"
    async with running_site(tmp_path):
        mode = stat.S_IMODE(path.stat().st_mode)

    assert mode == 0o600
    assert not path.exists()


async def test_the_socket_of_a_dead_process_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "site.sock"))

    async with running_site(tmp_path) as client:
        assert (await client.get("/healthz")).status == 200


async def test_the_socket_of_a_living_process_is_not_taken_away(tmp_path: Path) -> None:
    async with running_site(tmp_path) as first:
        with pytest.raises(StartupError, match="another process is listening there"):
            async with running_site(tmp_path):
                pass
        assert (await first.get("/healthz")).status == 200


async def test_a_file_in_the_sockets_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "site.sock").write_text("precious")

    with pytest.raises(StartupError, match=r"cannot listen on unix:.*: Address already in use"):
        async with running_site(tmp_path):
            pass
    assert (tmp_path / "site.sock").read_text() == "precious"


async def test_a_port_in_use_is_said_in_words() -> None:
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(serve_site(SiteSettings.load(listen=Address("127.0.0.1", 0))))
        with pytest.raises(StartupError, match=f"cannot listen on {address}: "):
            await stack.enter_async_context(serve_site(SiteSettings.load(listen=address)))


async def test_an_address_that_others_reach_needs_a_trusted_network() -> None:
    with pytest.raises(StartupError, match="MESHWRIGHT_TRUSTED_NETWORK"):
        async with serve_site(SiteSettings.load(listen=Address("0.0.0.0", 0))):
            pass
    async with serve_site(SiteSettings.load(listen=Address("0.0.0.0", 0), trusted_network=True)) as address:
        assert address.port > 0


async def test_a_request_under_way_is_answered_while_the_site_stops(tmp_path: Path) -> None:
    async with running_site(tmp_path) as client:
        reader, writer = await _connected(tmp_path / "site.sock")
        writer.write(b"GET /demo/slow?seconds=0.5 HTTP/1.1\r\nHost: site.test\r\n\r\n")
        assert (await client.get("/healthz")).status == 200
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"took 0.5 seconds" in answer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_process_cleanly_even_with_open_connections(tmp_path: Path, number: int) -> None:
    path = tmp_path / "site.sock"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "error",
        "-c",
        RUN,
        env={**os.environ, "MESHWRIGHT_LISTEN": f"unix:{path}"},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        reader, writer = await _connected(path)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: site.test\r\n\r\n")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        process.send_signal(number)
        async with asyncio.timeout(30):
            _, said = await process.communicate()
        writer.close()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert head.startswith(b"HTTP/1.1 200 ")
    assert (process.returncode, said.decode()) == (0, "")
    assert not path.exists()


async def _connected(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(30):
        while True:
            try:
                return await asyncio.open_unix_connection(path)
            except (FileNotFoundError, ConnectionRefusedError):
                await asyncio.sleep(0.02)
