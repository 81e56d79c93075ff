"""The gateway as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from typing import TYPE_CHECKING, Any

from meshwright.gateway.gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from meshwright.gateway.settings import GatewaySettings

_log = logging.getLogger(__name__)


async def run_gateway(settings: GatewaySettings, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Run Envoy until SIGTERM or SIGINT, then drain it and return; a second signal ends the draining.

    `on_ready` is called once with the address that clients may use. Raises GatewayError when Envoy cannot start or
    ends by itself.
    """
    with _stop_signals() as stops:
        async with Gateway(settings) as gateway:
            _log.info("The gateway listens on %s", gateway.address)
            if on_ready is not None:
                on_ready(gateway.address)
            await _first(gateway.wait(), stops.get())
            _log.info("The gateway drains for at most %g s", settings.gateway_drain_seconds)
            await _first(gateway.drain(), stops.get())


@contextlib.contextmanager
def _stop_signals() -> Iterator[asyncio.Queue[signal.Signals]]:
    received: asyncio.Queue[signal.Signals] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    stop_signals = (signal.SIGTERM, signal.SIGINT)
    for number in stop_signals:
        loop.add_signal_handler(number, received.put_nowait, number)
    try:
        yield received
    finally:
        for number in stop_signals:
            loop.remove_signal_handler(number)


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
