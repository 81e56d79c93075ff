"""`meshwright up` where it cannot start, and `meshwright doctor`: words that say what to do."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import run
from tests.support.mesh_process import MESHWRIGHT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.mesh_process import MeshProcess

SOON = 60.0
"""Seconds, on a busy machine. Nobody waits for a mesh that cannot start."""


async def refused(folder: Path, *arguments: str) -> str:
    """What `meshwright up` says before it gives up."""
    began = time.monotonic()
    done = await run(MESHWRIGHT, "up", "--port", "0", "--data-dir", str(folder), *arguments)
    assert (done.code, done.out) == (2, ""), done
    assert time.monotonic() - began < SOON
    assert "Traceback" not in done.err
    return " ".join(done.err.split())


async def test_a_port_that_is_in_use_is_told_with_another_one_to_choose(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = await refused(tmp_path, "--port", str(port))
    assert f"Port {port} is in use" in said
    assert "meshwright up --port" in said


async def test_two_meshes_do_not_share_a_data_folder(mesh: MeshProcess) -> None:
    said = await refused(mesh.data_dir)
    assert f"(process {mesh.process.pid})" in said
    assert "--data-dir" in said


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--model", "nobody:nothing"), ("MESHWRIGHT_MODEL", "nobody:nothing", "openai:NAME")),
        (("--host", "0.0.0.0"), ("MESHWRIGHT_HOST", "no authentication", "ssh -L")),
    ],
    ids=["model", "host"],
)
async def test_a_wrong_setting_is_told_in_the_words_of_the_service_that_reads_it(
    tmp_path: Path, arguments: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    said = await refused(tmp_path, *arguments)
    assert all(part in said for part in parts), said


async def test_the_doctor_finds_everything_and_a_healthy_mesh(mesh: MeshProcess) -> None:
    done = await run(MESHWRIGHT, "doctor", MESHWRIGHT_ADDRESS=mesh.address, MESHWRIGHT_PORT="0")
    report = done.out + done.err
    assert done.code == 0, report
    assert f"at {mesh.address}" in report
    assert report.count("healthy") == 3


async def test_the_doctor_says_how_to_get_a_mesh_where_there_is_none() -> None:
    done = await run(MESHWRIGHT, "doctor", MESHWRIGHT_ADDRESS="localhost:1", MESHWRIGHT_PORT="0")
    assert "meshwright up" in done.out + done.err
