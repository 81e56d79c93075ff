"""The gateway as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING, Any

import structlog
import uvloop

from meshwright.gateway.gateway import Gateway
from meshwright.gateway.shifting import follow_traffic, wanted_at_start
from meshwright.gateway.traffic import Traffic
from meshwright.gateway.traffic_file import FileTrafficSource
from meshwright.serving.logs import configure_logs
from meshwright.serving.signals import stop_signals
from meshwright.serving.startup import StartupError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from meshwright.gateway.settings import GatewaySettings
    from meshwright.gateway.traffic import TrafficSource

log = structlog.get_logger(__name__)


def run(settings: GatewaySettings) -> int:
    """Serve until SIGTERM or SIGINT and return the exit code: 0 after a stop, 2 when Envoy could not start or ended.

    The first signal lets open requests end, a second one does not.
    """
    configure_logs(settings, "gateway")
    try:
        uvloop.run(run_gateway(settings))
    except StartupError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


async def run_gateway(settings: GatewaySettings, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Run Envoy until SIGTERM or SIGINT, then drain it and return.

    `on_ready` is called once with the address that clients may use. Raises StartupError when Envoy cannot start or
    ends by itself.
    """
    async with contextlib.AsyncExitStack() as stack:
        first, second = stack.enter_context(stop_signals())
        source = await _open_source(settings, stack)
        traffic, error = wanted_at_start(source) if source is not None else (Traffic(), "")
        async with Gateway(settings, traffic) as gateway:
            log.info("listening", address=gateway.address)
            if on_ready is not None:
                on_ready(gateway.address)
            following = [] if source is None else [follow_traffic(gateway, source, error=error)]
            await _first_of(gateway.wait(), first.wait(), *following)
            log.info("stopping", open_requests=await gateway.open_requests())
            await _first_of(gateway.drain(), second.wait())
    log.info("stopped")


async def _open_source(settings: GatewaySettings, stack: contextlib.AsyncExitStack) -> TrafficSource | None:
    """Where the canary's weight comes from; None without a canary."""
    if not settings.agent_canary_address:
        return None
    if not settings.traffic_configmap:
        return FileTrafficSource(settings.data_dir)
    # Imported here: a client of Kubernetes is for clusters only.
    from meshwright.gateway.configmap import open_configmap

    settings.data_dir.mkdir(parents=True, mode=0o700, exist_ok=True)
    return await stack.enter_async_context(open_configmap(settings.traffic_configmap, settings.data_dir))


async def _first_of(*waits: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
