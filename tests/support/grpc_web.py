"""A gRPC-Web client of a few lines, over HTTP/1.1: what a page sends, without the page."""

from __future__ import annotations

import base64
import contextlib
import io
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from google.rpc import status_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from aiohttp import ClientResponse, ClientSession

CONTENT_TYPE = "application/grpc-web+proto"
DETAILS = "grpc-status-details-bin"
TRAILERS_FLAG = 0x80


def frame(message: bytes) -> bytes:
    """One uncompressed message as it travels."""
    return struct.pack(">BI", 0, len(message)) + message


@dataclass(frozen=True, slots=True)
class WebStatus:
    """How a call ended: from the trailers in the body, or from the headers where there is no body."""

    http_status: int
    code: int
    message: str
    details: status_pb2.Status | None
    in_headers: bool


class WebCall:
    """One call: iterate over its messages, then read `status`."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response
        self.trailers: dict[str, str] = {}

    async def __aiter__(self) -> AsyncIterator[bytes]:
        content = self.response.content
        while not content.at_eof():
            head = await content.read(1)
            if not head:
                return
            (length,) = struct.unpack(">I", await content.readexactly(4))
            body = await content.readexactly(length)
            if head[0] & TRAILERS_FLAG:
                self.trailers = _parse_trailers(body)
            else:
                yield body

    @property
    def status(self) -> WebStatus:
        """Of a call whose messages were all read."""
        in_headers = "grpc-status" in self.response.headers
        source: Mapping[str, str] = self.response.headers if in_headers else self.trailers
        raw = source.get(DETAILS, "")
        details = base64.b64decode(raw + "=" * (-len(raw) % 4)) if raw else b""
        return WebStatus(
            http_status=self.response.status,
            code=int(source["grpc-status"]),
            message=unquote(source.get("grpc-message", "")),
            details=status_pb2.Status.FromString(details) if details else None,
            in_headers=in_headers,
        )


@contextlib.asynccontextmanager
async def start(
    http: ClientSession, address: str, method: str, message: bytes = b"", headers: Mapping[str, str] | None = None
) -> AsyncIterator[WebCall]:
    """Call `/package.Service/Method`; leaving the block before the end cancels the call."""
    async with http.post(
        f"http://{address}{method}",
        data=io.BytesIO(frame(message)),
        headers={"content-type": CONTENT_TYPE, "x-grpc-web": "1", **(headers or {})},
    ) as response:
        yield WebCall(response)


async def call(
    http: ClientSession, address: str, method: str, message: bytes = b"", headers: Mapping[str, str] | None = None
) -> tuple[list[bytes], WebStatus]:
    """Call `/package.Service/Method` and read the answer to its end."""
    async with start(http, address, method, message, headers) as answer:
        messages = [body async for body in answer]
        return messages, answer.status


def _parse_trailers(body: bytes) -> dict[str, str]:
    lines = body.decode("ascii").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
