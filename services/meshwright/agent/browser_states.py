"""What a session's next browser begins with, whichever replica gives it one: cookies, storage and address, in the object store of files."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import obstore
import structlog
from google.protobuf.message import DecodeError

from meshwright.store.artifacts import open_object_store
from meshwright.v1.tool_service_pb2 import BrowserState

if TYPE_CHECKING:
    from obstore.store import ObjectStore

log = structlog.get_logger(__name__)
READ_SECONDS = 2.0
"""A browser that is late is worse than one that begins clean."""
WRITE_SECONDS = 10.0
FAILURES = (obstore.exceptions.BaseError, OSError, TimeoutError)


class BrowserStates:
    """One object for each session that had a browser. Whatever fails here is logged: the session's next browser then begins clean.

    Raises ValueError for a URL that names no object store.
    """

    def __init__(self, url: str) -> None:
        self._store: ObjectStore = open_object_store(url)
        self._unwritten: dict[str, BrowserState] = {}
        self._writing: dict[str, asyncio.Task[None]] = {}

    async def read(self, session_id: str) -> BrowserState:
        """The state that was kept last, here or at another replica; empty where there is none."""
        await self.written(session_id)
        try:
            async with asyncio.timeout(READ_SECONDS):
                found = await obstore.get_async(self._store, session_id)
                return BrowserState.FromString(bytes(await found.bytes_async()))
        except FileNotFoundError:
            return BrowserState()
        except (*FAILURES, DecodeError) as error:
            log.warning("agent.browser_state_not_read", session_id=session_id, error=type(error).__name__)
            return BrowserState()

    def keep(self, session_id: str, state: BrowserState) -> None:
        """Write a state soon. Of several that come meanwhile only the last one is written."""
        self._unwritten[session_id] = state
        if session_id not in self._writing:
            self._writing[session_id] = asyncio.create_task(self._write(session_id))

    async def written(self, session_id: str) -> None:
        """Wait until what was kept is written."""
        if (writing := self._writing.get(session_id)) is not None:
            await asyncio.wait([writing])

    async def delete(self, session_id: str) -> None:
        """Forget a session."""
        self._unwritten.pop(session_id, None)
        await self.written(session_id)
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await obstore.delete_async(self._store, session_id)
        except FileNotFoundError:
            return
        except FAILURES as error:
            log.warning("agent.browser_state_left_behind", session_id=session_id, error=type(error).__name__)

    async def close(self) -> None:
        """Finish what is under way."""
        if self._writing:
            await asyncio.wait(self._writing.values())

    async def _write(self, session_id: str) -> None:
        try:
            while (state := self._unwritten.pop(session_id, None)) is not None:
                async with asyncio.timeout(WRITE_SECONDS):
                    await obstore.put_async(self._store, session_id, state.SerializeToString())
        except FAILURES as error:
            log.warning("agent.browser_state_not_written", session_id=session_id, error=type(error).__name__)
        finally:
            del self._writing[session_id]
