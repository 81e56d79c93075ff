"""Running the browser service as a process."""

from __future__ import annotations

import gc
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from meshwright.browser.service import browser_service
from meshwright.serving.process import run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from meshwright.browser.service import BrowserServicer
    from meshwright.browser.settings import BrowserSettings
    from meshwright.serving.health import Readiness


def run_browser(settings: BrowserSettings) -> int:
    """Serve until SIGTERM or SIGINT; the exit code."""
    service = browser_service(settings)

    @asynccontextmanager
    async def opened(readiness: Readiness) -> AsyncIterator[BrowserServicer]:
        async with service.open(readiness) as servicer:
            # What is there now stays. Without this the collector looks at all of it every few seconds, and leases wait.
            gc.collect()
            gc.freeze()
            yield servicer

    return run(replace(service, open=opened), settings)
