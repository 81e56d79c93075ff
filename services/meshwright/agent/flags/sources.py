"""Where definitions of flags come from: a file that is looked at again and again, or flagd, which sends them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import grpc
import structlog

from meshwright.agent.flags.definitions import BadFlagsError, of_flagd, read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from meshwright.agent.flags.definitions import Definitions
    from meshwright.serving.address import Address

    Told = Definitions | BadFlagsError

LOOK_SECONDS = 1.0
STREAM_SECONDS = 600.0
"""A stream without flags for so long is opened anew: its other end may be gone without a word."""
RETRY_SECONDS = 1.0
SELECTOR_HEADER = "flagd-selector"
log = structlog.get_logger(__name__)


class Source(Protocol):
    """Tells definitions as they change, and why new ones cannot be used."""

    name: str
    """What it is, for logs."""

    async def follow(self, take: Callable[[Told], None]) -> None:
        """Give each new set of definitions to `take`, until cancelled."""
        ...


class FlagFile:
    """A file. Also one that is not there yet, or not for a while, as when it is replaced."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        self._seen: object = None

    async def follow(self, take: Callable[[Told], None]) -> None:
        """As in Source."""
        while True:
            if (found := await asyncio.to_thread(self._look)) is not None:
                take(found)
            await asyncio.sleep(LOOK_SECONDS)

    def _look(self) -> Told | None:
        """What is new, if anything: the same state of the file is read once."""
        try:
            found = self._path.stat()
            seen: object = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        except OSError as error:
            seen = error.errno
        if seen == self._seen:
            return None
        self._seen = seen
        try:
            return read(self._path)
        except BadFlagsError as error:
            return error


class Flagd:
    """flagd's sync service: a stream of definitions, each the whole set of what `selector` chooses, in flagd's words."""

    def __init__(self, address: Address, selector: str = "") -> None:
        self.name = f"flagd at {address}"
        self._address = address
        self._selector = selector
        self._lost = False

    async def follow(self, take: Callable[[Told], None]) -> None:
        """As in Source. Comes back by itself when flagd was away."""
        from openfeature.schemas.protobuf.flagd.sync.v1 import sync_pb2, sync_pb2_grpc

        options = (("grpc.enable_http_proxy", 0), ("grpc.max_reconnect_backoff_ms", 2_000))
        async with grpc.aio.insecure_channel(self._address.target, options=options) as channel:
            stub = sync_pb2_grpc.FlagSyncServiceStub(channel)
            # flagd looks into the header; its proxy, and flagd before it had the header, into the message.
            request = sync_pb2.SyncFlagsRequest(provider_id="meshwright", selector=self._selector)
            metadata = ((SELECTOR_HEADER, self._selector),) if self._selector else ()
            while True:
                try:
                    async for response in stub.SyncFlags(request, timeout=STREAM_SECONDS, metadata=metadata):
                        self._lost = False
                        take(_told(response.flag_configuration))
                except grpc.aio.AioRpcError as error:
                    self._ended(error)
                await asyncio.sleep(RETRY_SECONDS)

    def _ended(self, error: grpc.aio.AioRpcError) -> None:
        code = error.code()
        if code is not grpc.StatusCode.DEADLINE_EXCEEDED and not self._lost:
            self._lost = True
            log.warning("flags.source_lost", source=self.name, code=code.name, cause=error.details())


def _told(text: str) -> Told:
    try:
        return of_flagd(text)
    except BadFlagsError as error:
        return error
