"""What the boundary costs: the same handlers on bare grpc.aio, behind the boundary, and with the access log on.

`python -m tests.bench.bench_boundary` prints server CPU and time on the wire for a unary call and for a streamed message, as
ratios to bare grpc.aio in the same run. Each server is a process of its own; rounds alternate, the median counts.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import psutil
import uvloop
from tests.serving_echo import RULES, SERVICE, EchoReply, EchoRequest, echo_request

from meshwright.serving.boundary import Boundary
from meshwright.serving.logs import configure_logs
from meshwright.serving.observer import Observer
from meshwright.serving.server import SERVER_OPTIONS
from meshwright.serving.settings import ServerSettings
from meshwright.serving.validation import Validator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MODES = ("bare", "boundary", "boundary+log")
CALLS = 3_000
MESSAGES = 20_000
ROUNDS = 5
TEXT = "x" * 200


async def unary(request: Any, _context: Any) -> Any:
    """Answers with the request's text."""
    return EchoReply(text=request.text)


async def parts(request: Any, _context: Any) -> AsyncIterator[Any]:
    """Answers many times."""
    for _ in range(request.count or MESSAGES):
        yield EchoReply(text=request.text)


async def serve(mode: str) -> None:
    """Serve in this process and print the port."""
    settings = ServerSettings.load(log_format="json", log_level="info" if mode == "boundary+log" else "error")
    configure_logs(settings, "bench")
    boundary = Boundary(Observer(), unary_timeout=60, validator=Validator(RULES))
    server = grpc.aio.server(interceptors=() if mode == "bare" else (boundary,), options=SERVER_OPTIONS)
    serializers = (EchoRequest.FromString, EchoReply.SerializeToString)
    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary, *serializers),
        "Parts": grpc.unary_stream_rpc_method_handler(parts, *serializers),
    }
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


class Measured:
    """A server in a process of its own and a channel to it."""

    def __init__(self, pid: int, channel: grpc.aio.Channel) -> None:
        self._process = psutil.Process(pid)
        codecs = (EchoRequest.SerializeToString, EchoReply.FromString)
        self._unary: Any = channel.unary_unary(f"/{SERVICE}/Unary", *codecs)
        self._parts: Any = channel.unary_stream(f"/{SERVICE}/Parts", *codecs)

    async def calls(self) -> tuple[float, float]:
        """Microseconds of server CPU and of wall time for one unary call, one at a time."""
        request = echo_request(TEXT)
        before, started = self._cpu(), time.perf_counter()
        for _ in range(CALLS):
            await self._unary(request, timeout=60)
        return self._per(CALLS, before, started)

    async def messages(self) -> tuple[float, float]:
        """Microseconds of server CPU and of wall time for one message of a stream."""
        before, started = self._cpu(), time.perf_counter()
        async for _ in self._parts(echo_request(TEXT), timeout=60):
            pass
        return self._per(MESSAGES, before, started)

    def _cpu(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def _per(self, count: int, cpu_before: float, started: float) -> tuple[float, float]:
        return (self._cpu() - cpu_before) / count * 1e6, (time.perf_counter() - started) / count * 1e6


@asynccontextmanager
async def measured(mode: str) -> AsyncIterator[Measured]:
    """A running server of the mode, warmed up."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.bench_boundary",
        mode,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            server = Measured(process.pid, channel)
            await server.calls()
            yield server
    finally:
        process.terminate()
        await process.wait()


async def bench() -> None:
    """Measure all modes in turn and print the table."""
    async with measured("bare") as bare, measured("boundary") as guarded, measured("boundary+log") as logged:
        servers = dict(zip(MODES, (bare, guarded, logged), strict=True))
        print(f"{'':24} {'server CPU':>12} {'ratio':>6} {'wall':>10} {'ratio':>6}")
        for what in ("calls", "messages"):
            samples: dict[str, list[tuple[float, float]]] = {mode: [] for mode in MODES}
            for _ in range(ROUNDS):
                for mode, server in servers.items():
                    samples[mode].append(await getattr(server, what)())
            report(what, samples)


def report(what: str, samples: dict[str, list[tuple[float, float]]]) -> None:
    """Print a line for each mode: medians, and ratios to bare."""
    medians = {
        mode: tuple(statistics.median(column) for column in zip(*rows, strict=True)) for mode, rows in samples.items()
    }
    bare_cpu, bare_wall = medians["bare"]
    name = {"calls": "unary call", "messages": "streamed message"}[what]
    for mode, (cpu, wall) in medians.items():
        label = f"{name}, {mode}"
        print(f"{label:30} {cpu:7.1f} us {cpu / bare_cpu:6.2f} {wall:7.1f} us {wall / bare_wall:6.2f}")


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]) if len(sys.argv) > 1 else bench())
