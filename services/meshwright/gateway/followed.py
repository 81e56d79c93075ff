"""Files of others that may change while the gateway runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOOK_SECONDS = 1.0

Version: TypeAlias = tuple[tuple[int, int, int] | None, ...]


async def follow(*paths: Path, changed: Callable[[], None]) -> None:
    """Call `changed` whenever a file is another one or was written to, however that is done, within about a second; for ever."""
    version = _version(paths)
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        found = _version(paths)
        if found != version:
            version = found
            changed()


def _version(paths: tuple[Path, ...]) -> Version:
    return tuple(_look(path) for path in paths)


def _look(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
