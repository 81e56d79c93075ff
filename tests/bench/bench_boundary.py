"""What every handler's surroundings cost (decoding, validation, errors, deadlines, and the access log): server CPU of a unary call and of
a streamed message, each of 200 characters, behind the mesh's boundary. Beside it the same handlers on bare grpc.aio. Each server is
a process of its own; rounds take turns, the median counts."""

from __future__ import annotations

import asyncio
import shutil
import statistics
import sys
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import uvloop

from meshwright.serving.authentication.authenticator import open_authenticator
from meshwright.serving.boundary import Boundary
from meshwright.serving.logs import configure_logs
from meshwright.serving.observer import Observer
from meshwright.serving.server import SERVER_OPTIONS
from meshwright.serving.settings import ServerSettings
from meshwright.serving.validation import Validator
from tests.bench.figures import cpu_seconds
from tests.bench.table import Beside, Row
from tests.serving_echo import RULES, SERVICE, EchoReply, EchoRequest, echo_request
from tests.support.token_issuer import authentication, bearer, token_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.bench.scene import Scene

MODES = ("bare", "boundary", "boundary+token", "boundary+log")
TITLES = {"boundary": "", "boundary+token": ", with callers' tokens", "boundary+log": ", with the access log on"}
CALLS = 2_000
MESSAGES = 20_000
ROUNDS = 3
SECONDS = 20
TEXT = "x" * 200


async def unary(request: Any, _context: Any) -> Any:
    """Answers with the request's text."""
    return EchoReply(text=request.text)


async def parts(request: Any, _context: Any) -> AsyncIterator[Any]:
    """Answers many times."""
    for _ in range(request.count or MESSAGES):
        yield EchoReply(text=request.text)


async def serve(mode: str, folder: Path) -> None:
    """Serve in this process and print the port; the keys of callers' tokens are in the folder."""
    log_level = "info" if mode == "boundary+log" else "error"
    settings = ServerSettings.load(log_format="json", log_level=log_level, **authentication(folder))
    configure_logs(settings, "bench")
    async with open_authenticator(settings) as authenticator:
        checking = authenticator if mode == "boundary+token" else None
        await _serve(mode, Boundary(Observer(), unary_timeout=60, validator=Validator(RULES), authenticator=checking))


async def _serve(mode: str, boundary: Boundary) -> None:
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

    def __init__(self, pid: int, channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...]) -> None:
        self._pid = pid
        self._metadata = metadata
        codecs = (EchoRequest.SerializeToString, EchoReply.FromString)
        self._unary: Any = channel.unary_unary(f"/{SERVICE}/Unary", *codecs)
        self._parts: Any = channel.unary_stream(f"/{SERVICE}/Parts", *codecs)

    async def calls(self) -> float:
        """Microseconds of server CPU for one unary call, one at a time."""
        request = echo_request(TEXT)
        before = cpu_seconds(self._pid)
        for _ in range(CALLS):
            await self._unary(request, timeout=60, metadata=self._metadata)
        return (cpu_seconds(self._pid) - before) / CALLS * 1e6

    async def messages(self) -> float:
        """Microseconds of server CPU for one message of a stream."""
        before = cpu_seconds(self._pid)
        async for _ in self._parts(echo_request(TEXT), timeout=60, metadata=self._metadata):
            pass
        return (cpu_seconds(self._pid) - before) / MESSAGES * 1e6


@asynccontextmanager
async def measured(mode: str) -> AsyncIterator[Measured]:
    """A running server of the mode, warmed up."""
    folder = Path(tempfile.mkdtemp())
    authentication(folder)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.bench_boundary",
        mode,
        str(folder),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            server = Measured(process.pid, channel, bearer(token_of("bench")) if mode == "boundary+token" else ())
            await server.calls()
            yield server
    finally:
        process.terminate()
        await process.wait()
        shutil.rmtree(folder)


async def run(scene: Scene) -> list[Row]:
    """Measure all modes in turn."""
    samples: dict[tuple[str, str], list[float]] = {}
    async with AsyncExitStack() as stack:
        servers = {mode: await stack.enter_async_context(measured(mode)) for mode in MODES}
        for _ in scene.rounds(ROUNDS, SECONDS):
            for mode, server in servers.items():
                samples.setdefault((mode, "unary call"), []).append(await server.calls())
                samples.setdefault((mode, "streamed message"), []).append(await server.messages())
    medians = {key: statistics.median(values) for key, values in samples.items()}
    return [
        Row(
            f"server CPU of a {what}{TITLES[mode]}",
            medians[mode, what],
            "us",
            (Beside("bare grpc.aio", medians["bare", what]),),
        )
        for what in ("unary call", "streamed message")
        for mode in MODES[1:]
    ]


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], Path(sys.argv[2])))
