"""One folder that agents see: the workspace of a session, or a document folder. Everything here blocks."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from meshwright.tools.beneath import FOLDER_FLAGS, LinkError, OddFileError, open_file, open_folder, require_regular
from meshwright.tools.failure import tool_failed
from meshwright.tools.paths import not_found, outside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meshwright.tools.workspace_quota import WorkspaceQuota

MAX_DEPTH = 64
"""Folders in folders that are listed and searched."""
TEMPORARY = ".meshwright-"
"""Names of files that are being written begin so; nobody sees them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or a folder that was found."""

    parts: tuple[str, ...]
    is_folder: bool
    size: int
    modified_ns: int


class FileRoot:
    """A folder, and whether agents may write in it: they may where there is a quota."""

    def __init__(self, folder: Path, label: str = "", quota: WorkspaceQuota | None = None) -> None:
        self.folder = folder
        """Where it is."""
        self._label = label
        self.quota = quota

    def shown(self, parts: tuple[str, ...]) -> str:
        """The path as the model writes it."""
        return self._label + "/".join(parts)

    @contextmanager
    def reading(self, parts: tuple[str, ...]) -> Iterator[int]:
        """A descriptor of a file. Raises FILE_NOT_FOUND, PATH_OUTSIDE_WORKSPACE for links, TOOL_FAILED for what is no file."""
        with self._refusals(parts):
            if not parts:
                raise OddFileError
            with open_file(self.folder, parts) as file:
                yield file

    def is_file(self, parts: tuple[str, ...]) -> bool:
        """Whether it is a regular file; a link, an odd file and nothing at all are none."""
        if not parts:
            return False
        with self._refusals(parts), open_folder(self.folder, parts[:-1]) as folder:
            return stat.S_ISREG(os.stat(parts[-1], dir_fd=folder, follow_symlinks=False).st_mode)

    def read(self, parts: tuple[str, ...], max_bytes: int) -> bytes:
        """The content of a file. Raises as `reading`, and TOOL_FAILED when it is larger than `max_bytes`."""
        with self.reading(parts) as file:
            if os.fstat(file).st_size > max_bytes:
                raise tool_failed(f"{self.shown(parts)} has more than {max_bytes} bytes.", path=self.shown(parts))
            with os.fdopen(os.dup(file), "rb") as stream:
                return stream.read(max_bytes)

    def write(self, parts: tuple[str, ...], data: bytes) -> bool:
        """Puts the content in place at once, or not at all; says whether the file is new. Raises QUOTA_EXCEEDED as well."""
        assert self.quota is not None
        with self._refusals(parts):
            self.folder.mkdir(0o700, parents=True, exist_ok=True)
            with open_folder(self.folder, parts[:-1], make=True) as folder:
                before = self._size(folder, parts[-1])
                self.quota.reserve(len(data) - (before or 0), files=before is None, count=self.usage)
                self._replace(folder, parts[-1], data)
                return before is None

    def entries(self, parts: tuple[str, ...], *, recursive: bool) -> Iterator[Entry]:
        """What is in the folder, by name, folders before what is in them. Links and odd files are left out.

        A workspace begins to exist with its first file, and has nothing in it before.
        """
        if self.quota is not None and not parts and not self.folder.is_dir():
            return
        with self._refusals(parts), open_folder(self.folder, parts) as folder:
            yield from self._entries(folder, parts, recursive=recursive)

    def usage(self) -> tuple[int, int]:
        """Bytes, and files and folders, that are in it."""
        sizes = [entry.size for entry in self.entries((), recursive=True)]
        return sum(sizes), len(sizes)

    def _entries(self, folder: int, parts: tuple[str, ...], *, recursive: bool) -> Iterator[Entry]:
        with os.scandir(folder) as scan:
            names = sorted(entry.name for entry in scan)
        for name in names:
            if name.startswith(TEMPORARY):
                continue
            try:
                state = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                continue
            is_folder = stat.S_ISDIR(state.st_mode)
            if not (is_folder or stat.S_ISREG(state.st_mode)):
                continue
            below = (*parts, name)
            yield Entry(below, is_folder, 0 if is_folder else state.st_size, state.st_mtime_ns)
            if is_folder and recursive and len(below) < MAX_DEPTH:
                yield from self._inside(folder, name, below)

    def _inside(self, folder: int, name: str, parts: tuple[str, ...]) -> Iterator[Entry]:
        try:
            inner = os.open(name, FOLDER_FLAGS, dir_fd=folder)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return
        try:
            yield from self._entries(inner, parts, recursive=True)
        finally:
            os.close(inner)

    @contextmanager
    def _refusals(self, parts: tuple[str, ...]) -> Iterator[None]:
        path = self.shown(parts)
        try:
            yield
        except LinkError:
            raise outside(path) from None
        except (OddFileError, IsADirectoryError):
            raise tool_failed(f"{path or 'The workspace'} is not a file.", path=path) from None
        except (FileNotFoundError, NotADirectoryError):
            raise not_found(path) from None
        except PermissionError:
            raise tool_failed(f"{path} may not be opened by the mesh.", path=path) from None
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise tool_failed("The disk is full.", path=path) from error

    def _size(self, folder: int, name: str) -> int | None:
        try:
            state = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None
        require_regular(state.st_mode, name)
        return state.st_size

    def _replace(self, folder: int, name: str, data: bytes) -> None:
        temporary = f"{TEMPORARY}{uuid4().hex}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(temporary, flags, 0o600, dir_fd=folder), "wb") as file:
            try:
                file.write(data)
                file.flush()
                os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                os.unlink(temporary, dir_fd=folder)
                raise
