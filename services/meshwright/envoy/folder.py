"""The private folder of one Envoy's files."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from meshwright.envoy.binary import EnvoyError
from meshwright.serving.address import MAX_UNIX_PATH_BYTES
from meshwright.serving.private_folder import PrivateFolder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ADMIN_SOCKET = "admin.sock"


@contextlib.contextmanager
def private_folder(name: str, parent: Path | None) -> Iterator[Path]:
    """A new folder for this user alone, in `parent` or else the system's temporary folder; gone after the block.

    Raises EnvoyError where its path is too long for Envoy's admin socket.
    """
    if parent is not None:
        parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    folder = PrivateFolder(f"{name}-" if parent else f"meshwright-{name}-", parent)
    try:
        if len(bytes(folder.path / ADMIN_SOCKET)) > MAX_UNIX_PATH_BYTES:
            raise EnvoyError(f"{folder.path} is too long for the path of a socket; set MESHWRIGHT_RUNTIME_DIR")
        yield folder.path
    finally:
        folder.remove()
