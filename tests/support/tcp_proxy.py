"""A TCP proxy whose connections a test can cut, as a bad network does."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self


class TcpProxy:
    """Hands on bytes from a free port of loopback to another one."""

    def __init__(self, port: int) -> None:
        self.address = ""
        """`localhost:PORT`, for clients."""
        self.connections = 0
        """How many there have been."""
        self._target = port
        self._open: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.address = f"localhost:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._pumps)

    def cut(self) -> None:
        """End all connections at once, with a reset."""
        for writer in self._open:
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        for source, target in ((reader, there_writer), (there_reader, writer)):
            self._open.add(target)
            pump = asyncio.create_task(self._pump(source, target))
            self._pumps.add(pump)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        self._open.discard(target)
        target.close()
