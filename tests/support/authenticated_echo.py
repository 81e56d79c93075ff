"""A server that authenticates its callers, and nothing behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc

from meshwright.serving.channel import open_channel
from meshwright.serving.errors import MeshError
from meshwright.serving.health import Readiness
from meshwright.serving.server import Server, Service
from meshwright.serving.settings import ServerSettings
from tests.serving_echo import SERVICE, Echo, EchoStub, echo_request, register
from tests.support.token_issuer import authentication

LIMIT = 60.0


@asynccontextmanager
async def authenticated_echo(folder: Path, **given: Any) -> AsyncIterator[tuple[Echo, EchoStub, grpc.aio.Channel]]:
    """The server; unless `given` says otherwise its keys and its secret lie in the folder."""
    echo = Echo()

    @asynccontextmanager
    async def opened(_readiness: Readiness) -> AsyncIterator[Echo]:
        yield echo

    loaded = ServerSettings.load(listen="127.0.0.1:0", **{**authentication(folder), **given})
    service = Service(SERVICE, register, opened)
    async with Server(service, loaded) as server, open_channel(server.address) as channel:
        yield echo, EchoStub(channel), channel


async def outcome(stub: EchoStub, metadata: tuple[tuple[str, str], ...], method: str = "Unary") -> MeshError | None:
    """The typed error of a call that shows the metadata; None when it is served."""
    try:
        await stub.send(method, echo_request(), metadata=metadata, timeout=LIMIT)
    except grpc.aio.AioRpcError as caught:
        return MeshError.from_rpc_error(caught)
    return None


async def refused(stub: EchoStub, metadata: tuple[tuple[str, str], ...], method: str = "Unary") -> MeshError:
    """The typed error of a call that is not served."""
    error = await outcome(stub, metadata, method)
    assert error is not None
    return error
