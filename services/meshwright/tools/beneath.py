"""Opening files beneath a folder so that no link, race or odd file leads anywhere else.

Every name is opened on its own, relative to the folder before it and without following links, so there is no moment at
which swapping a folder for a link would help.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A pipe without a writer would block the opening; devices are refused before they are opened.
FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class LinkError(OSError):
    """A name on the way is a symbolic link."""


class OddFileError(OSError):
    """It is there and is no regular file: a folder, a device, a pipe, a socket."""


@contextmanager
def open_folder(root: Path, parts: Sequence[str], *, make: bool = False) -> Iterator[int]:
    """A descriptor of the folder, closed at the end; with `make` missing folders are made.

    Raises FileNotFoundError, NotADirectoryError, LinkError, PermissionError.
    """
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            below = _step(folder, part, make=make)
            os.close(folder)
            folder = below
        yield folder
    finally:
        os.close(folder)


@contextmanager
def open_file(root: Path, parts: Sequence[str]) -> Iterator[int]:
    """A descriptor of a regular file for reading, closed at the end. Raises as open_folder, and OddFileError."""
    with open_folder(root, parts[:-1]) as folder:
        kind = os.stat(parts[-1], dir_fd=folder, follow_symlinks=False).st_mode
        require_regular(kind, parts[-1])
        file = os.open(parts[-1], FILE_FLAGS, dir_fd=folder)
    try:
        require_regular(os.fstat(file).st_mode, parts[-1])
        yield file
    finally:
        os.close(file)


def require_regular(mode: int, name: str) -> None:
    """Raises LinkError or OddFileError for everything else."""
    if stat.S_ISLNK(mode):
        raise LinkError(name)
    if not stat.S_ISREG(mode):
        raise OddFileError(name)


def _step(folder: int, name: str, *, make: bool) -> int:
    try:
        return os.open(name, FOLDER_FLAGS, dir_fd=folder)
    except FileNotFoundError:
        if not make:
            raise
    except NotADirectoryError:
        # Linux says so for links as well.
        if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise LinkError(name) from None
        raise
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=folder)
    return _step(folder, name, make=False)
