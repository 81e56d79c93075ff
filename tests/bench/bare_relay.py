"""What somebody writes who wants a model's tokens over gRPC and nothing else: no sessions, no log, no resuming.

`python -m tests.bench.bare_relay unix:/path MODEL_URL` serves `/bench.Relay/Stream`: a task in, one event a token out.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import grpc
import uvloop

from meshwright.v1.event_pb2 import Event, TextDelta

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


class Relay:
    """Hands on the deltas of a streamed chat completion."""

    def __init__(self, http: aiohttp.ClientSession, model_url: str) -> None:
        self._http = http
        self._url = f"{model_url}/chat/completions"

    async def stream(self, task: bytes, _context: Any) -> AsyncIterator[Event]:
        """One event a token."""
        body = {"model": "scripted", "stream": True, "messages": [{"role": "user", "content": task.decode()}]}
        async with self._http.post(self._url, json=body) as response:
            async for line in response.content:
                if not line.startswith(b"data: {"):
                    continue
                choices = json.loads(line[6:])["choices"]
                text = choices[0]["delta"].get("content") if choices else None
                if text:
                    yield Event(text_delta=TextDelta(text=text))


async def serve(address: str, model_url: str) -> None:
    """Serve until killed."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as http:
        server = grpc.aio.server()
        relay = Relay(http, model_url)
        handler: grpc.RpcMethodHandler[bytes, Event] = grpc.unary_stream_rpc_method_handler(
            relay.stream, None, Event.SerializeToString
        )
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("bench.Relay", {"Stream": handler})])
        server.add_insecure_port(address)
        await server.start()
        await asyncio.Event().wait()


@contextmanager
def bare_relay(folder: Path, model_url: str) -> Iterator[tuple[int, str]]:
    """Run the relay in a process of its own; its process id and where it listens."""
    address = f"unix:{folder}/relay.sock"
    command = [sys.executable, "-m", "tests.bench.bare_relay", address, model_url]
    with subprocess.Popen(command) as process:
        try:
            yield process.pid, address
        finally:
            process.terminate()


if __name__ == "__main__":
    uvloop.run(serve(*sys.argv[1:]))
