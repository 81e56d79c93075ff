"""A server as a process: what it prints, how signals end it, what its exit code says."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from meshwright.serving.address import Address
from meshwright.serving.channel import open_channel
from tests.serving_echo import EchoStub, echo_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LIMIT = 60.0
ROOT = Path(__file__).parents[2]


class EchoProcess:
    """A running echo server and the lines that it logs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        assert process.stderr is not None
        self._stderr = process.stderr

    async def line(self, event: str) -> dict[str, Any]:
        """The next log line of this event; lines before it are passed over."""
        async with asyncio.timeout(LIMIT):
            async for line in self._stderr:
                if line.startswith(b"{") and (found := json.loads(line))["event"] == event:
                    return dict(found)
        pytest.fail(f"the process ended without a line of {event!r}")

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def end(self) -> tuple[int, str]:
        """The exit code and what else was printed."""
        async with asyncio.timeout(LIMIT):
            rest = await self._stderr.read()
            return await self._process.wait(), rest.decode()


@asynccontextmanager
async def echo_process(**variables: str) -> AsyncIterator[EchoProcess]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MESHWRIGHT_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.serving_echo_process",
        cwd=ROOT,
        env={**environment, "GRPC_VERBOSITY": "ERROR", "MESHWRIGHT_LOG_FORMAT": "json", **variables},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield EchoProcess(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_the_process_gracefully(number: signal.Signals) -> None:
    async with echo_process(MESHWRIGHT_LISTEN="127.0.0.1:0") as process:
        listening = await process.line("listening")
        async with open_channel(Address.parse(listening["address"])) as channel:
            metadata = (("x-request-id", "mine"),)
            await EchoStub(channel).send("Unary", echo_request(), timeout=LIMIT, metadata=metadata)
            rpc = await process.line("rpc")
        assert (rpc["code"], rpc["request_id"], rpc["service"], rpc["level"]) == ("OK", "mine", "Echo", "info")
        process.signal(number)
        await process.line("stopped")
        assert await process.end() == (0, "")


async def test_a_second_signal_does_not_wait_for_running_calls() -> None:
    async with echo_process(MESHWRIGHT_LISTEN="127.0.0.1:0", MESHWRIGHT_STOP_GRACE="3600") as process:
        listening = await process.line("listening")
        async with open_channel(Address.parse(listening["address"])) as channel:
            call: Any = EchoStub(channel).parts(echo_request(behavior="hang"), timeout=LIMIT)
            assert (await call.read()).text
            process.signal(signal.SIGTERM)
            assert (await process.line("stopping"))["running_calls"] == 1
            process.signal(signal.SIGTERM)
            with pytest.raises(grpc.aio.AioRpcError):
                await call.read()
        code, _ = await process.end()
        assert code == 0


async def test_a_defect_is_logged_with_its_traceback() -> None:
    async with echo_process(MESHWRIGHT_LISTEN="127.0.0.1:0") as process:
        listening = await process.line("listening")
        async with open_channel(Address.parse(listening["address"])) as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await EchoStub(channel).send("Unary", echo_request(behavior="crash"), timeout=LIMIT)
        defect = await process.line("defect")
        assert "RuntimeError: secret: hunter2" in defect["exception"]
        assert defect["request_id"]


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"MESHWRIGHT_LISTEN": "0.0.0.0:0"}, "MESHWRIGHT_TRUSTED_NETWORK"),
        ({"MESHWRIGHT_LISTEN": "nonsense"}, "MESHWRIGHT_LISTEN: 'nonsense' is not an address"),
        ({"MESHWRIGHT_STOP_GRACE": "-1", "MESHWRIGHT_LOG_LEVEL": "loud"}, "MESHWRIGHT_STOP_GRACE"),
        ({"MESHWRIGHT_LISTEN": "unix:/proc/nowhere/x.sock"}, "cannot be made"),
    ],
)
async def test_what_prevents_the_start_is_said_in_words(variables: dict[str, str], words: str) -> None:
    async with echo_process(**variables) as process:
        code, printed = await process.end()
    assert code == 2
    assert words in printed
    assert "Traceback" not in printed


async def test_logs_for_people_are_plain_lines() -> None:
    async with echo_process(MESHWRIGHT_LISTEN="127.0.0.1:0", MESHWRIGHT_LOG_FORMAT="console") as process:
        assert process._process.stderr is not None
        line = (await asyncio.wait_for(process._process.stderr.readline(), LIMIT)).decode()
        assert "listening" in line
        assert "address=127.0.0.1:" in line
        assert "\x1b" not in line
        process.signal(signal.SIGTERM)
        assert (await process.end())[0] == 0


async def test_children_of_a_busy_service_live_until_they_are_another_program() -> None:
    environment = {k: v for k, v in os.environ.items() if k != "GRPC_ENABLE_FORK_SUPPORT"}
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.busy_parent", cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(LIMIT):
            told, _ = await parent.communicate()
    finally:
        if parent.returncode is None:
            parent.kill()
            await parent.wait()
    assert told.decode() == "{0: 300}\n"
