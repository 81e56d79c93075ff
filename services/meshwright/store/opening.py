"""Which store the settings ask for."""

from __future__ import annotations

from pathlib import Path

from meshwright.store.interface import Store
from meshwright.store.refusals import StoreUnusableError
from meshwright.store.sqlite.store import SqliteStore, StoreInUseError

__all__ = ["StoreInUseError", "StoreUnusableError", "open_store"]


async def open_store(url: str, path: Path) -> Store:
    """The shared store of the address, or without one the embedded store of the file.

    A shared store may not answer yet: `Store.problem` tells.

    Raises:
        StoreInUseError: another process has the file open.
        StoreUnusableError: the address cannot be read, or what answers there is nothing that can be used.
    """
    if not url:
        return await SqliteStore.open(path)
    # Imported here: the client library takes 8 MiB, which an agent with the embedded store does not need.
    from meshwright.store.redis.store import RedisStore

    return await RedisStore.open(url)
