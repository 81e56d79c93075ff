"""A server as a process: logs, signals, exit code."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from typing import TYPE_CHECKING, Any

import structlog
import uvloop

from meshwright.serving.logs import configure_logs
from meshwright.serving.server import Server
from meshwright.serving.signals import stop_signals
from meshwright.serving.startup import StartupError

if TYPE_CHECKING:
    from meshwright.serving.server import Service
    from meshwright.serving.settings import ServerSettings

log = structlog.get_logger(__name__)


def run(service: Service[Any], settings: ServerSettings, *, reflected_services: tuple[str, ...] = ()) -> int:
    """Serve until SIGTERM or SIGINT and return the exit code: 0 after a stop, 2 when it could not start.

    The first signal stops gracefully, a second one at once.
    """
    configure_logs(settings, service.name.rpartition(".")[2])
    try:
        uvloop.run(serve(service, settings, reflected_services=reflected_services))
    except StartupError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


async def serve(service: Service[Any], settings: ServerSettings, *, reflected_services: tuple[str, ...] = ()) -> None:
    """Serve until SIGTERM or SIGINT. Raises StartupError."""
    server = Server(service, settings, reflected_services=reflected_services)
    with stop_signals() as (first, second):
        serving = asyncio.create_task(_serve_until(server, first, second))
        stopping = asyncio.create_task(first.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not server.started:
            serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving


def _spare_the_collector() -> None:
    """What was imported stays for ever: looking through it again and again costs pauses of tens of milliseconds."""
    gc.collect()
    gc.freeze()


async def _stop_or_failure(server: Server[Any], stop: asyncio.Event) -> None:
    """Wait for the one, or raise the other."""
    stopped = asyncio.create_task(stop.wait())
    failed = asyncio.create_task(server.readiness.given_up())
    try:
        await asyncio.wait({stopped, failed}, return_when=asyncio.FIRST_COMPLETED)
        if failed.done():
            raise failed.result()
    finally:
        stopped.cancel()
        failed.cancel()


async def _serve_until(server: Server[Any], first: asyncio.Event, second: asyncio.Event) -> None:
    async with server:
        _spare_the_collector()
        log.info("listening", address=str(server.address))
        await _stop_or_failure(server, first)
        log.info("stopping", running_calls=server.running_calls)
        graceful = asyncio.create_task(server.stop())
        impatient = asyncio.create_task(second.wait())
        await asyncio.wait({graceful, impatient}, return_when=asyncio.FIRST_COMPLETED)
        impatient.cancel()
        if not graceful.done():
            # Leaving the block cuts what is left.
            graceful.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await graceful
    log.info("stopped")
