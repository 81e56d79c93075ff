"""The process that gives browser pods their deletion cost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

import structlog

from meshwright.deletion_cost.leases import Asker
from meshwright.deletion_cost.pods import BrowserPods
from meshwright.deletion_cost.telling import Telling
from meshwright.serving.kubernetes import IDENTITY, NoPodError, client_of_pod
from meshwright.serving.signals import stop_signals
from meshwright.serving.startup import StartupError

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from meshwright.deletion_cost.settings import DeletionCostSettings

log = structlog.get_logger(__name__)


async def run_deletion_cost(settings: DeletionCostSettings, identity: Path = IDENTITY) -> None:
    """Tell the costs until SIGTERM or SIGINT. They stay when it stops. Raises StartupError outside of a pod."""
    namespace, _, service = settings.deletion_cost_service.partition("/")
    if not service:
        raise StartupError(
            "Which pods are to be given a cost? Set MESHWRIGHT_DELETION_COST_SERVICE=NAMESPACE/SERVICE; the chart does so with "
            "browser.deletionCost.enabled=true."
        )
    try:
        client = client_of_pod(identity)
    except NoPodError as error:
        raise StartupError(f"Browser pods can be given a cost from a pod of their cluster only: {error}") from error
    asker = Asker()
    telling = Telling(BrowserPods(client, namespace, service), asker, settings.deletion_cost_mark)
    log.info("started", service=settings.deletion_cost_service)
    try:
        with stop_signals() as (first, _):
            await _until(first, telling.run(settings.deletion_cost_interval))
    finally:
        await asker.close()
        await client.close()
    log.info("stopped")


async def _until(stop: asyncio.Event, work: Coroutine[None, None, NoReturn]) -> None:
    """Work until the event, or raise what ends the work."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
