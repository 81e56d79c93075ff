"""Paths as models write them: relative, with slashes, in the workspace or in `docs:name/`."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from meshwright.serving.errors import MeshError
from meshwright.v1 import error_reason_pb2 as reasons

DOCUMENTS = "docs:"
MAX_PATH_CHARS = 1024
MAX_NAME_BYTES = 255


def _writable_name(path: str) -> str:
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in path):
        raise ValueError("must not have control characters")
    if any(len(part.encode()) > MAX_NAME_BYTES for part in path.split("/")):
        raise ValueError(f"must not have a name of more than {MAX_NAME_BYTES} bytes")
    return path


PathText = Annotated[str, Field(max_length=MAX_PATH_CHARS), AfterValidator(_writable_name)]
"""The type of every argument that is a path."""


def split_path(path: str) -> tuple[str, tuple[str, ...]]:
    """The document folder's name (empty: the workspace) and the names below it. Raises PATH_OUTSIDE_WORKSPACE.

    Nothing is decoded: `%2e%2e` is a name like any other.
    """
    folder, below = "", path
    if path.startswith(DOCUMENTS):
        folder, _, below = path.removeprefix(DOCUMENTS).partition("/")
        if not folder:
            raise outside(path)
    parts = tuple(part for part in below.split("/") if part not in ("", "."))
    if ".." in parts or (not folder and path.startswith("/")):
        raise outside(path)
    return folder, parts


def outside(path: str) -> MeshError:
    """PATH_OUTSIDE_WORKSPACE."""
    return MeshError(
        reasons.ERROR_REASON_PATH_OUTSIDE_WORKSPACE,
        f"{path} is not in the workspace. Write a relative path without '..', such as notes/today.txt.",
        metadata={"path": path},
    )


def not_found(path: str) -> MeshError:
    """FILE_NOT_FOUND."""
    return MeshError(
        reasons.ERROR_REASON_FILE_NOT_FOUND,
        f"There is no {path or 'workspace yet'}. See what there is with file.list.",
        metadata={"path": path},
    )
