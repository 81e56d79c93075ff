"""`meshwright up` as a command: what it shows, what it refuses, how it ends. What it starts is tested end to end."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import TYPE_CHECKING

import psutil
import pytest

from meshwright.cli.exit_codes import ExitCode
from tests.support.commands import run
from tests.support.mesh_process import MESHWRIGHT, SERVICES, mesh_process, wait_until
from tests.support.terminal import CTRL_C, terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.mesh_process import MeshProcess

SECONDS = 60.0


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProcess]:
    """One for the tests that leave it as it is, in this order; the last ones end it."""
    with mesh_process(tmp_path_factory.mktemp("mesh")) as running:
        yield running


async def test_at_a_terminal_every_service_has_its_line_and_the_ways_in_are_told_once(tmp_path: Path) -> None:
    async with terminal(
        MESHWRIGHT, "up", "--port", "0", "--data-dir", str(tmp_path / "data"), HOME=str(tmp_path)
    ) as screen:
        await screen.shows("Ctrl-C stops it.")
        for service in SERVICES:
            assert any(line.startswith(service) and "ready" in line for line in screen.text.splitlines())
        for way in ("The mesh is ready at http://localhost:", "Page", "meshwright run", "Mesh(", "grpcurl -plaintext"):
            assert screen.text.count(way) == 1
        assert "no language model" in screen.text
        screen.type(CTRL_C)
        assert await screen.end() == ExitCode.OK
    assert "Stopped." in screen.text


async def test_a_window_that_is_closed_stops_it_in_order_too(tmp_path: Path) -> None:
    async with terminal(MESHWRIGHT, "up", "--port", "0", "--data-dir", str(tmp_path), HOME=str(tmp_path)) as screen:
        await screen.shows("agent")
        processes = [psutil.Process(screen.process.pid)]
        await screen.shows("Ctrl-C stops it.")
        processes += processes[0].children(recursive=True)
        screen.hang_up()
        assert await screen.end() == ExitCode.OK
    assert len(processes) > len(SERVICES)
    await asyncio.to_thread(psutil.wait_procs, processes[1:], SECONDS)
    assert [process for process in processes if process.is_running()] == []
    assert "stopped" in (tmp_path / "logs" / "agent.log").read_text()


async def test_a_second_mesh_says_who_is_there_before_it_starts_anything(mesh: MeshProcess, tmp_path: Path) -> None:
    same_port = await run(MESHWRIGHT, "up", "--port", str(mesh.port), "--data-dir", str(tmp_path))
    assert (same_port.code, f"Port {mesh.port} is in use" in same_port.err) == (ExitCode.USAGE, True)
    same_folder = await run(MESHWRIGHT, "up", "--port", "0", "--data-dir", str(mesh.data_dir))
    assert same_folder.code == ExitCode.USAGE
    assert f"process {mesh.process.pid}" in same_folder.err
    assert "--data-dir" in same_folder.err
    assert all(len(mesh.log(service)) > 0 for service in SERVICES), "its logs are untouched"


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"MESHWRIGHT_MODEL": "nobody:nothing"}, "nobody:nothing"),
        ({"MESHWRIGHT_GATEWAY_WORKERS": "none"}, "MESHWRIGHT_GATEWAY_WORKERS"),
        ({"MESHWRIGHT_HOST": "192.0.2.1"}, "Cannot listen on 192.0.2.1"),
    ],
    ids=["model", "setting", "host"],
)
async def test_what_cannot_start_says_why_and_leaves_nothing(
    tmp_path: Path, environment: dict[str, str], said: str
) -> None:
    done = await run(MESHWRIGHT, "up", "--port", "0", "--data-dir", str(tmp_path), **environment)
    assert (done.code, said in done.err) == (ExitCode.USAGE, True), done.err
    assert "Traceback" not in done.err


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = await run(MESHWRIGHT, "up", "--port", "0", "--data-dir", str(tmp_path / "file" / "data"))
    assert (done.code, "--data-dir" in done.err) == (ExitCode.USAGE, True)


async def test_the_doctor_sees_a_mesh_and_its_services(mesh: MeshProcess) -> None:
    done = await run(MESHWRIGHT, "doctor", "--address", mesh.address, MESHWRIGHT_PORT=str(mesh.port))
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    for service in ("agent", "tools", "browser"):
        assert f"✓ {service} healthy" in lines
    assert any(line.startswith("✓ mesh Meshwright 0.") for line in lines)
    assert any(line.startswith("✓ chromium Chromium") for line in lines)
    assert any(line.startswith("✓ envoy 1.") for line in lines)
    assert any(line.startswith(f"· port Port {mesh.port} is in use") for line in lines)
    assert done.code == ExitCode.OK, done.out


async def test_the_doctor_names_what_is_missing_and_how_to_get_it_and_shows_no_key(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        done = await run(
            MESHWRIGHT,
            "doctor",
            "--address",
            f"localhost:{nobody.getsockname()[1]}",
            MESHWRIGHT_CHROMIUM=str(tmp_path / "no-chromium"),
            MESHWRIGHT_MODEL="groq:llama",
            MESHWRIGHT_OPENAI_API_KEY="sk-secret",
            MESHWRIGHT_DATA_DIR=str(tmp_path),
        )
    text = " ".join(done.out.split())
    assert done.code == ExitCode.FAILED
    assert "✗ chromium" in text
    assert "→ set GROQ_API_KEY" in text
    assert "start it with `meshwright up`" in text
    assert "2 missing: chromium, model" in text
    assert "sk-secret" not in done.out


async def test_a_hang_up_stops_it_and_the_next_one_keeps_its_logs(mesh: MeshProcess) -> None:
    before = mesh.log("agent")
    assert await asyncio.to_thread(mesh.stop, signal.SIGHUP) == ExitCode.OK
    await asyncio.to_thread(mesh.start)
    kept = (mesh.data_dir / "logs" / "agent.log.1").read_text().splitlines()
    assert len(kept) >= len(before)
    assert len(mesh.log("agent")) < len(kept) + len(before)


async def test_a_second_ctrl_c_ends_everything_at_once(mesh: MeshProcess) -> None:
    # A service that does not listen any more would be waited for.
    mesh.service("agent").suspend()
    mesh.process.send_signal(signal.SIGINT)
    await asyncio.to_thread(wait_until, lambda: "Stopping" in mesh.output, SECONDS, "the stop")
    assert await asyncio.to_thread(mesh.stop, signal.SIGINT) == ExitCode.INTERRUPTED
    await asyncio.to_thread(wait_until, lambda: mesh.processes() == [], SECONDS, "the end of all processes")
