"""Replicas behind one gateway."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import grpc

from meshwright.gateway.gateway import Gateway
from meshwright.serving.address import Address
from tests.support.gateway_mesh import Upstream, upstream_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@contextlib.asynccontextmanager
async def agents(folder: Path, *names: str) -> AsyncIterator[dict[str, Upstream]]:
    """Servers that say their names."""
    servers = {name: Upstream(name, Address(path=str(folder / f"{name}.sock"))) for name in names}
    try:
        for server in servers.values():
            await server.start()
        yield servers
    finally:
        for server in servers.values():
            await server.stop()


@contextlib.asynccontextmanager
async def gateway_before(folder: Path, **addresses: str) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a gateway before these replicas."""
    settings = upstream_settings(folder, **addresses)
    async with Gateway(settings) as gateway, grpc.aio.insecure_channel(gateway.address) as channel:
        yield channel


def sockets(folder: Path, *names: str) -> str:
    return ",".join(f"unix:{folder / name}.sock" for name in names)
