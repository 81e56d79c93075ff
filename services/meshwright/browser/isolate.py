"""An isolated browser context with one blank tab, made ahead of time and used for one lease only."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import structlog
from playwright.async_api import Error as PlaywrightError

from meshwright.browser.driver import DRIVER_ERRORS
from meshwright.browser.page_events import PageEvents
from meshwright.browser.tabs import Tabs
from meshwright.serving.errors import MeshError

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.async_api import BrowserContext, ViewportSize

    from meshwright.browser.process import BrowserProcess

MAKE_SECONDS = 15.0
CLOSE_SECONDS = 5.0

log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class Isolate:
    """What a lease holds. Everything that takes round trips has been done when it is made."""

    process: BrowserProcess
    context: BrowserContext
    tabs: Tabs
    """Its tabs: one, which is blank."""
    events: PageEvents
    """What happens in the tabs."""
    on_lost: Callable[[], None] = lambda: None
    """Called when its browser has gone while it is leased."""
    made: float = field(default_factory=time.monotonic)
    """When, on the clock of `time.monotonic`."""

    @classmethod
    async def make(cls, process: BrowserProcess, viewport: ViewportSize) -> Isolate:
        """A new one. Raises playwright.async_api.Error or TimeoutError."""
        process.isolates += 1
        context: BrowserContext | None = None
        try:
            async with asyncio.timeout(MAKE_SECONDS):
                context = await process.browser.new_context(
                    viewport=viewport, accept_downloads=False, service_workers="block"
                )
                # Every wait here has a deadline of ours.
                context.set_default_timeout(0)
                page = await context.new_page()
                tabs = Tabs()
                tabs.add(page, await context.new_cdp_session(page))
                events = PageEvents(tabs)
                events.attach(context)
        except BaseException:
            process.isolates -= 1
            if context is not None:
                await asyncio.shield(_close(process, context))
            raise
        return cls(process, context, tabs, events)

    @property
    def is_sound(self) -> bool:
        """Its browser lives, and its tab too."""
        return not self.process.is_gone and not self.tabs.current.crashed

    async def set_viewport(self, viewport: ViewportSize) -> None:
        """Give its tab, and those that will be opened, another size than it was made with."""
        self.events.viewport = viewport
        page = self.tabs.current.page
        assert page is not None
        await page.set_viewport_size(viewport)

    async def set_storage_state(self, state: dict[str, Any], path: str) -> None:
        """Put cookies and storage into the context. Raises INVALID_FIELDS for `path` when the browser does not take them."""
        try:
            async with asyncio.timeout(MAKE_SECONDS):
                await self.context.set_storage_state(cast("Any", state))
        except PlaywrightError:
            if self.process.is_gone:
                raise
            raise MeshError.invalid_fields(
                [(path, "must be a storage state whose cookies and origins the browser takes")]
            ) from None

    async def close(self) -> bool:
        """Throw it away. Closing the context is what frees everything; closing pages can hang.

        False when the browser did not do it in time: then the process is not to be trusted any more. Never raises.
        """
        try:
            return await _close(self.process, self.context)
        finally:
            self.process.isolates -= 1


async def _close(process: BrowserProcess, context: BrowserContext) -> bool:
    if process.is_gone:
        return True
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await context.close()
    except TimeoutError:
        log.warning("context_close_hangs", pid=process.pid)
        return False
    except DRIVER_ERRORS:
        return process.is_gone
    return True
