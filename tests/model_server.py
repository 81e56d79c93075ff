"""A scripted model behind OpenAI's chat-completions streaming protocol, on a real loopback socket; behind Anthropic's as well.

In the test's own loop:

    async with ModelServer(in_turn(Call("file.read", {"path": "a.txt"}), Say("done"))) as server:
        ... server.base_url ...

In a process of its own, for benchmarks and end-to-end tests (a script is `module:function`):

    with model_server_process("tests.model_script:by_instruction") as base_url:
    python -m tests.model_server --port 9000 --script tests.model_script:by_instruction
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self, TypeAlias

import uvloop
from aiohttp import web

from tests.anthropic_wire import AnthropicAnswer, openai_form
from tests.model_script import Fail, Hang, Request, Script, Step, Steps, by_instruction
from tests.model_wire import OpenAIAnswer

Wire: TypeAlias = type[OpenAIAnswer] | type[AnthropicAnswer]


class ModelServer:
    """The server in the running loop. `script` may be replaced at any time."""

    def __init__(self, script: Script | Steps, port: int = 0, host: str = "127.0.0.1") -> None:
        self.script: Script | Steps = script
        self.requests: list[Request] = []
        """Every request so far, newest last."""
        self.active = 0
        """Answers in progress."""
        self.abandoned = 0
        """Answers whose client went away before the end."""
        self._peers: set[object] = set()
        self._changed = asyncio.Condition()
        self._port = port
        self._host = host
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/chat/completions", self._answer_openai)
        app.router.add_post("/v1/messages", self._answer_anthropic)
        # Without handler_cancellation a handler that hangs would never learn that its client has gone.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0)

    @property
    def base_url(self) -> str:
        return f"http://{self._host}:{self._port}/v1"

    @property
    def origin(self) -> str:
        """The base URL without `/v1`, as Anthropic's client wants it."""
        return self.base_url.removesuffix("/v1")

    @property
    def connections(self) -> int:
        """How many connections asked something."""
        return len(self._peers)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def wait_abandoned(self, count: int = 1, timeout: float = 30.0) -> None:
        """Wait until `count` clients went away in the middle of their answers."""
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(lambda: self.abandoned >= count)

    async def wait_requests(self, count: int = 1, timeout: float = 30.0) -> None:
        """Wait until `count` requests have come."""
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(lambda: len(self.requests) >= count)

    async def _answer_openai(self, http: web.Request) -> web.StreamResponse:
        return await self._answer(http, await http.json(), OpenAIAnswer)

    async def _answer_anthropic(self, http: web.Request) -> web.StreamResponse:
        return await self._answer(http, openai_form(await http.json()), AnthropicAnswer)

    async def _answer(self, http: web.Request, body: dict[str, Any], wire: Wire) -> web.StreamResponse:
        request = Request(body, http.headers, len(self.requests))
        self.requests.append(request)
        self._peers.add(http.get_extra_info("peername"))
        await self._notify()
        self.active += 1
        try:
            return await _speak(http, wire, request, _steps(self.script, request))
        except (asyncio.CancelledError, ConnectionResetError):
            self.abandoned += 1
            raise
        finally:
            self.active -= 1
            await asyncio.shield(self._notify())

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _steps(script: Script | Steps, request: Request) -> Sequence[Step]:
    steps = script(request) if callable(script) else script
    return steps if isinstance(steps, Sequence) else [steps]


async def _speak(http: web.Request, wire: Wire, request: Request, steps: Sequence[Step]) -> web.StreamResponse:
    match steps[0] if steps else None:
        case Fail() as fail:
            return _failure(fail)
        case Hang():
            await asyncio.Event().wait()
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    await response.prepare(http)
    answer = wire(request.body, response.write)
    if await answer.play(steps):
        await response.write_eof()
    elif http.transport is not None:
        http.transport.abort()
    return response


def _failure(fail: Fail) -> web.Response:
    headers = {} if fail.retry_after is None else {"Retry-After": fail.retry_after}
    if fail.body is not None:
        return web.Response(status=fail.status, body=fail.body, headers=headers | {"Content-Type": fail.content_type})
    error = {"message": fail.message, "type": "scripted", "param": None, "code": fail.code}
    return web.json_response({"error": error}, status=fail.status, headers=headers)


@contextmanager
def model_server_process(script: str = "tests.model_script:by_instruction") -> Iterator[str]:
    """Run the server in a process of its own and give its base URL; the process is stopped at the end."""
    command = [sys.executable, "-m", "tests.model_server", "--script", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
            assert ready, "the model server did not start"
            yield str(json.loads(ready)["base_url"])
        finally:
            process.terminate()


def _load(name: str) -> Script:
    module, _, function = name.partition(":")
    script: Script = getattr(importlib.import_module(module), function)
    return script


async def _serve(port: int, script: Script) -> None:
    async with ModelServer(script, port) as server:
        sys.stdout.write(json.dumps({"base_url": server.base_url}) + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one; it is printed as JSON")
    parser.add_argument("--script", type=_load, default=by_instruction, help="module:function")
    options = parser.parse_args()
    uvloop.run(_serve(options.port, options.script))


if __name__ == "__main__":
    _main()
