"""Running the site in this process."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from meshwright.site.app import create_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from meshwright.site.settings import SiteSettings

STOP_SECONDS = 3
"""How long requests under way may take to finish once the site is asked to stop."""

_UNIX = "unix:"


class _Server(uvicorn.Server):
    """A uvicorn server that tells when it answers, and leaves the process's signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answering.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run_site(settings: SiteSettings) -> None:
    """Serve until SIGTERM or SIGINT, then finish the requests under way and return.

    Raises OSError when the address cannot be bound.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    try:
        async with serve_site(settings):
            await stop.wait()
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


@contextlib.asynccontextmanager
async def serve_site(settings: SiteSettings) -> AsyncIterator[str]:
    """Serve while the context is open; gives the address, with the port that was really bound."""
    with _listening(settings.listen) as (listener, address):
        server = _Server(
            uvicorn.Config(
                create_app(settings),
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )
        serving = asyncio.create_task(server.serve([listener]))
        ready = asyncio.create_task(server.answering.wait())
        try:
            await asyncio.wait({serving, ready}, return_when=asyncio.FIRST_COMPLETED)
            yield address
        finally:
            ready.cancel()
            server.should_exit = True
            await serving


@contextlib.contextmanager
def _listening(address: str) -> Iterator[tuple[socket.socket, str]]:
    if address.startswith(_UNIX):
        path = Path(address.removeprefix(_UNIX))
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        bound: object = str(path)
    else:
        path = None
        host, _, port = address.rpartition(":")
        listener = socket.create_server((host.strip("[]"), int(port)), backlog=512)
        address = f"{host}:{listener.getsockname()[1]}"
    try:
        if path is not None:
            listener.bind(str(path))
            path.chmod(0o600)
            listener.listen(512)
        yield listener, address
    finally:
        listener.close()
        if path is not None:
            path.unlink(missing_ok=True)
