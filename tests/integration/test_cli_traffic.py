"""`meshwright traffic` against the gateway's process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from typing import TYPE_CHECKING

import grpc
import pytest
from typer.testing import CliRunner

from meshwright.cli.exit_codes import ExitCode
from meshwright.cli.main import app
from meshwright.serving.address import Address
from tests.support.gateway_mesh import GetAgent, Upstream, unary
from tests.support.gateway_process import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LIMIT = 60.0


class Mesh:
    """A gateway's process before two tracks, and the command."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        self.address = address

    async def traffic(self, *arguments: str) -> tuple[int, str]:
        """The exit code of the command and everything that it said."""
        command = ["traffic", *arguments, "--data-dir", str(self.folder)]
        result = await asyncio.to_thread(CliRunner().invoke, app, command)
        return result.exit_code, result.output

    async def answers(self, calls: int = 10) -> set[bytes]:
        """Who answers calls."""
        async with grpc.aio.insecure_channel(self.address) as channel:
            return {await unary(channel, GetAgent) for _ in range(calls)}


@contextlib.asynccontextmanager
async def tracks(folder: Path) -> AsyncIterator[None]:
    """An agent on each track."""
    upstreams = [Upstream(name, Address(path=str(folder / f"{name}.sock"))) for name in ("agent", "canary")]
    for upstream in upstreams:
        await upstream.start()
    try:
        yield
    finally:
        for upstream in upstreams:
            await upstream.stop()


@contextlib.asynccontextmanager
async def gateway(folder: Path) -> AsyncIterator[Mesh]:
    canary = f"unix:{folder}/canary.sock"
    async with serving(folder, MESHWRIGHT_DATA_DIR=str(folder), MESHWRIGHT_AGENT_CANARY_ADDRESS=canary) as process:
        mesh = Mesh(folder, await process.address())
        async with asyncio.timeout(LIMIT):
            while (await mesh.traffic("show"))[0] == ExitCode.UNREACHABLE:
                pass
        yield mesh


async def test_weights_are_shown_set_and_rolled_back_and_outlive_the_gateway(tmp_path: Path) -> None:
    async with tracks(tmp_path):
        async with gateway(tmp_path) as mesh:
            code, said = await mesh.traffic("show")
            assert (code, said) == (0, "stable 100 %, canary 0 %.\nNo call since then.\n")
            code, said = await mesh.traffic("rollback")
            assert (code, said) == (
                2,
                "Nothing changed: there is nothing to roll back to: the weights were never changed.\n",
            )

            for weight in (10, 50, 100):
                code, said = await mesh.traffic("set", str(weight))
                assert code == 0, said
                taken = re.fullmatch(
                    r"stable (\d+) %, canary (\d+) %, in force after ([\d.]+) s\. Open streams .*\n", said
                )
                assert taken is not None, said
                assert (int(taken[1]), int(taken[2])) == (100 - weight, weight)
                assert float(taken[3]) < LIMIT / 4
            assert await mesh.answers() == {b"canary"}
            code, said = await mesh.traffic("show")
            assert re.search(
                r"canary 100 % since 20.*, before that canary 50 %\.\nOf 10 calls since then, 10 \(100.0%\)", said
            )

        async with gateway(tmp_path) as mesh:
            assert await mesh.answers() == {b"canary"}
            for weight in (50, 10, 0):
                code, said = await mesh.traffic("rollback")
                assert (code, said.partition(",")[0]) == (0, f"stable {100 - weight} %")
            assert await mesh.answers() == {b"agent"}


async def test_what_cannot_be_is_told_and_changes_nothing(tmp_path: Path) -> None:
    code, said = await Mesh(tmp_path, "").traffic("set", "10")
    assert (code, "MESHWRIGHT_AGENT_CANARY_ADDRESS" in said) == (ExitCode.UNREACHABLE, True)
    async with tracks(tmp_path), gateway(tmp_path) as mesh:
        assert (await mesh.traffic("set", "100"))[0] == 0
        assert (await mesh.traffic("set", "101"))[0] == 2

        wanted = tmp_path / "traffic.json"
        wanted.write_text(wanted.read_text().replace("100", "1000"))
        async with asyncio.timeout(LIMIT):
            while (await mesh.traffic("show"))[0] != ExitCode.FAILED:
                pass
        code, said = await mesh.traffic("show")
        assert "stable 0 %, canary 100 %" in said
        assert "1000 is no percentage" in said
        assert await mesh.answers() == {b"canary"}

        assert (await mesh.traffic("set", "0"))[0] == 0
        assert await mesh.answers() == {b"agent"}
    code, said = await Mesh(tmp_path, "").traffic("show")
    assert code == ExitCode.UNREACHABLE


@pytest.mark.parametrize("broken", ["", json.dumps({"canary_weight": 10})])
async def test_a_gateway_starts_with_all_on_the_stable_track_where_the_weights_cannot_be_read(
    tmp_path: Path, broken: str
) -> None:
    (tmp_path / "traffic.json").write_text(broken)
    async with tracks(tmp_path), gateway(tmp_path) as mesh:
        assert await mesh.answers() == {b"agent"}
        code, said = await mesh.traffic("show")
        assert code == ExitCode.FAILED
        assert "traffic.json does not hold weights" in said
        assert (await mesh.traffic("set", "100"))[0] == 0
        assert await mesh.answers() == {b"canary"}
