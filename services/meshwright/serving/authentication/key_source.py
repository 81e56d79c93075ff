"""Where the issuer's keys come from, whatever becomes of them while the mesh runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

import structlog

from meshwright.serving.authentication.key_set import MAX_JWKS_BYTES, BadKeysError, KeySet
from meshwright.serving.startup import StartupError

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0


class KeySource(Protocol):
    """The latest keys that are known."""

    @property
    def current(self) -> KeySet:
        """The keys; another object whenever they have changed."""
        ...

    async def refresh(self) -> None:
        """Look for newer keys, unless that was done a moment ago. UNAVAILABLE when they cannot be read."""
        ...

    async def close(self) -> None:
        """Stop looking."""
        ...


class KeyFile:
    """A JWKS in a file, which is read again when it changes. What cannot be read leaves the keys as they were.

    Raises StartupError when it cannot be read at first.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._looked = time.monotonic()
        try:
            self._version = self._look()
            self._keys = self._read()
        except (OSError, BadKeysError) as error:
            raise StartupError(f"MESHWRIGHT_AUTH_JWKS: {path} cannot be used: {_why(error)}.") from error

    @property
    def current(self) -> KeySet:
        """The keys. Looks at most once a second whether the file is another one."""
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._reload()
        return self._keys

    async def refresh(self) -> None:
        """Look at the file now."""
        self._reload()

    async def close(self) -> None:
        """Nothing is open."""

    def _reload(self) -> None:
        self._looked = time.monotonic()
        try:
            version = self._look()
            if version == self._version:
                return
            self._keys = self._read()
            self._version = version
        except (OSError, BadKeysError) as error:
            log.warning("authentication.keys_not_read", file=str(self._path), cause=_why(error))
        else:
            log.info("authentication.keys_read", file=str(self._path), keys=len(self._keys))

    def _look(self) -> tuple[int, int, int]:
        found = self._path.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _read(self) -> KeySet:
        with self._path.open("rb") as file:
            return KeySet.parse(file.read(MAX_JWKS_BYTES + 1))


def _why(error: OSError | BadKeysError) -> str:
    return error.strerror or "it cannot be read" if isinstance(error, OSError) else str(error)
