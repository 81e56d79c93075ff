"""What a later browser needs to go on where this one is: cookies, storage and address, saved when nothing else happens."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from meshwright.serving.errors import MeshError
from meshwright.tools.frames import browser_state
from meshwright.v1 import browser_pb2

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from meshwright.tools.browser_lease import BrowserLease
    from meshwright.tools.frames import Frame

IDLE_SECONDS = 1.0
"""Reading cookies and storage takes the browser some 8 ms, so it waits until no command ran for so long."""
SAVE_SECONDS = 2.0
MAX_STATE_BYTES = 1024 * 1024

log = structlog.get_logger(__name__)


class StateKeeper:
    """Keeps the last known state, and tells the client when it has changed."""

    def __init__(self, emit: Callable[[Frame], Awaitable[None]], *, storage_state: bytes, url: str) -> None:
        self._emit = emit
        self.storage_state = storage_state
        self.url = url
        self._told = (storage_state, url)
        self._running = 0
        self._dirty = False
        self._timer: asyncio.TimerHandle | None = None
        self._saving: asyncio.Task[None] | None = None

    @contextmanager
    def busy(self, lease: BrowserLease) -> Iterator[None]:
        """A command runs inside the block; some time after the last one the state is saved."""
        self._running += 1
        self._dirty = True
        if self._timer is not None:
            self._timer.cancel()
        try:
            yield
        finally:
            self._running -= 1
            if not self._running and not lease.ended.is_set():
                self._timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._save_soon, lease)

    async def save(self, lease: BrowserLease) -> None:
        """Saves the state if a command ran since it was saved last. A browser that cannot tell it is no error."""
        if not self._dirty:
            return
        self._dirty = False
        command = browser_pb2.BrowserCommand(get_storage_state=browser_pb2.GetStorageState())
        try:
            async with asyncio.timeout(SAVE_SECONDS):
                result = await lease.run(command)
        except asyncio.CancelledError:
            self._dirty = True
            raise
        except (MeshError, TimeoutError) as error:
            log.warning("browser state not saved", error=str(error))
            return
        if len(result.storage_state) > MAX_STATE_BYTES:
            log.warning("browser state too large to save", bytes=len(result.storage_state))
            return
        self.storage_state = result.storage_state
        self.note_address(result.tab.url)
        await self.tell()

    def note_address(self, url: str) -> None:
        """The page that was used last. A later browser goes on there even if this one is lost before it told its state."""
        if url.startswith(("http://", "https://")):
            self.url = url

    async def tell(self) -> None:
        """Tells the client what is known, unless it knows."""
        if self._told != (self.storage_state, self.url):
            self._told = (self.storage_state, self.url)
            await self._emit(browser_state(*self._told))

    def stop(self) -> None:
        """Saves no more by itself."""
        if self._timer is not None:
            self._timer.cancel()
        if self._saving is not None:
            self._saving.cancel()

    def _save_soon(self, lease: BrowserLease) -> None:
        if not lease.ended.is_set():
            self._saving = asyncio.create_task(self.save(lease))
