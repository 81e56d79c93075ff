"""Running the site in this process."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

import uvicorn

from meshwright.serving.startup import StartupError
from meshwright.site.app import create_app
from meshwright.site.listener import listening

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Iterator

    from meshwright.serving.address import Address
    from meshwright.site.settings import SiteSettings

STOP_SECONDS = 3
"""How long requests under way may take to finish once the site is asked to stop."""


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

    Raises StartupError when the site may not or cannot listen on the address of the settings.
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
async def serve_site(settings: SiteSettings) -> AsyncIterator[Address]:
    """Serve while the context is open; gives the address, with the port that was really bound.

    Raises StartupError when the site may not or cannot listen on the address of the settings.
    """
    if not (settings.listen.is_local or settings.trusted_network):
        raise StartupError(
            f"The site would listen on {settings.listen}, where other machines reach it, and it does not authenticate "
            "its callers. Use a loopback address or a Unix socket behind the gateway, or set "
            "MESHWRIGHT_TRUSTED_NETWORK=true if only the gateway can reach it there."
        )
    with listening(settings.listen) as (listener, address):
        server = _Server(_config(settings))
        serving = asyncio.create_task(server.serve([listener]), name="site")
        # A server that fails to start ends the wait as well.
        serving.add_done_callback(lambda _: server.answering.set())
        try:
            await server.answering.wait()
            if serving.done():
                serving.result()
            yield address
        finally:
            server.should_exit = True
            await serving


def _config(settings: SiteSettings) -> uvicorn.Config:
    return uvicorn.Config(
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
