"""The folders that agents see: one workspace for each session, and the operator's document folders."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from meshwright.serving.authentication.principals import HOME
from meshwright.tools.file_root import FileRoot
from meshwright.tools.paths import DOCUMENTS, not_found, split_path
from meshwright.tools.workspace_quota import WorkspaceQuota

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from meshwright.tools.settings import ToolSettings


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path leads."""

    root: FileRoot
    parts: tuple[str, ...]

    @property
    def shown(self) -> str:
        """The path as the model writes it."""
        return self.root.shown(self.parts)


class FileRoots:
    """What one session sees: its workspace, and the document folders by name."""

    def __init__(self, workspace: FileRoot, documents: Mapping[str, FileRoot]) -> None:
        self.workspace = workspace
        self.documents = documents

    def place(self, path: str) -> Place:
        """Where the path leads. Raises PATH_OUTSIDE_WORKSPACE, or FILE_NOT_FOUND for an unknown document folder."""
        folder, parts = split_path(path)
        if not folder:
            return Place(self.workspace, parts)
        root = self.documents.get(folder)
        if root is None:
            raise not_found(path)
        return Place(root, parts)


class Workspaces:
    """The workspaces under the data folder. Sessions that are used at the same time share their quota's count."""

    def __init__(self, settings: ToolSettings) -> None:
        self._settings = settings
        self._documents = {
            name: FileRoot(folder.resolve(), f"{DOCUMENTS}{name}/")
            for name, folder in settings.document_folders.items()
        }
        self._open: WeakValueDictionary[str, FileRoots] = WeakValueDictionary()

    def of(self, home: str) -> FileRoots:
        """What the session whose home it is sees. Its folder is made at the first write."""
        roots = self._open.get(home)
        if roots is None:
            roots = self._open[home] = FileRoots(self._workspace(self.folder(home)), self._documents)
        return roots

    def folder(self, home: str) -> Path:
        """Where the session's workspace is."""
        if not HOME.fullmatch(home):
            message = f"{home!r} is no session's home"
            raise ValueError(message)
        return self._settings.data_dir / "workspaces" / home

    def delete(self, home: str) -> None:
        """Deletes the session's workspace, if there is one. Blocks."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.folder(home))

    def _workspace(self, folder: Path) -> FileRoot:
        quota = WorkspaceQuota(self._settings.workspace_bytes, self._settings.workspace_files)
        return FileRoot(folder, quota=quota)
