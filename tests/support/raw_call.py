"""Calls in bytes through both doors of the gateway, so that wrong ones can be made."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import grpc
from google.rpc import status_pb2

from meshwright.serving.errors import MeshError
from tests.support import grpc_web

if TYPE_CHECKING:
    import aiohttp

PATIENCE = 60.0
# What would betray how the mesh is made: Python, its libraries, its files.
LEAK = re.compile(
    r"Traceback|Exception|\w+Error\b|\.py\b|site-packages|playwright|sqlite|pydantic|object at 0x|/usr/|/tmp/"
)


@dataclass(frozen=True)
class Answer:
    """How a call ended: its messages and its status."""

    messages: list[bytes]
    code: int
    message: str
    details: status_pb2.Status | None

    @property
    def error(self) -> MeshError:
        """The typed error."""
        assert self.details is not None, f"{grpc_code(self.code)} without details: {self.message}"
        assert (self.details.code, self.details.message) == (self.code, self.message)
        return MeshError.from_status(self.details)


class RawDoor(Protocol):
    """A way to call a method with bytes."""

    async def call(self, method: str, body: bytes) -> Answer: ...


class NativeDoor:
    """gRPC over HTTP/2."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel

    async def call(self, method: str, body: bytes) -> Answer:
        # What streams and what does not look the same on the wire.
        opened: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = self._channel.unary_stream(method)
        return await finish(opened(body, timeout=PATIENCE))


class WebDoor:
    """gRPC-Web over HTTP/1.1."""

    def __init__(self, http: aiohttp.ClientSession, address: str) -> None:
        self._http = http
        self._address = address

    async def call(self, method: str, body: bytes) -> Answer:
        messages, status = await grpc_web.call(self._http, self._address, method, body)
        return Answer(messages, status.code, status.message, status.details)


async def finish(call: Any) -> Answer:
    """Read a streaming call to its end."""
    messages: list[bytes] = []
    with contextlib.suppress(grpc.aio.AioRpcError):
        messages.extend([message async for message in call])
    trailers = dict(await call.trailing_metadata() or ())
    raw = trailers.get(grpc_web.DETAILS)
    details = status_pb2.Status.FromString(raw) if raw else None
    return Answer(messages, (await call.code()).value[0], await call.details() or "", details)


def assert_nothing_leaks(error: MeshError) -> None:
    """No exception's text and no place on this machine in what the caller is told."""
    told = f"{error.message} {error.metadata} {error.violations}"
    assert not LEAK.search(told), told


def grpc_code(number: int) -> str:
    """Its name."""
    return next(code.name for code in grpc.StatusCode if code.value[0] == number)
