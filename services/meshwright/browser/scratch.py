"""Folders for the temporary files of browsers."""

from __future__ import annotations

import tempfile
from pathlib import Path

from meshwright.serving.private_folder import PrivateFolder

_PREFIX = "meshwright-browser-"


class Scratch(PrivateFolder):
    """One folder of this service, with a folder for each browser in it."""

    def __init__(self, base: Path | None = None) -> None:
        super().__init__(_PREFIX, base)

    def folder(self) -> Path:
        """A new empty folder."""
        return Path(tempfile.mkdtemp(dir=self.path))
