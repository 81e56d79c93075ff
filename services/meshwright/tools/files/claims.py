"""Which calls on files wait for one another: those that write the same file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from meshwright.serving.errors import MeshError
from meshwright.v1 import error_reason_pb2 as reasons

if TYPE_CHECKING:
    from collections.abc import Hashable

    from meshwright.tools.session import ToolSession
    from meshwright.tools.workspaces import Place


class OnPath(Protocol):
    """Arguments with a path."""

    @property
    def path(self) -> str:
        """The path."""


@dataclass(frozen=True, slots=True)
class FileClaim:
    """A file that a call writes."""

    home: str
    place: Place

    @property
    def key(self) -> Hashable:
        """Writers of one file run one after another, in whichever stream of the session they are."""
        return ("file", self.home, self.place.parts)


def claim_file(args: OnPath, session: ToolSession) -> FileClaim:
    """The file that the arguments name. Raises PATH_OUTSIDE_WORKSPACE, also for document folders: nobody writes there."""
    place = session.files.place(args.path)
    if place.root.quota is None:
        raise MeshError(
            reasons.ERROR_REASON_PATH_OUTSIDE_WORKSPACE,
            f"{args.path} is a document, and documents cannot be changed. Write a file of the workspace instead.",
            metadata={"path": args.path},
        )
    if not place.parts:
        raise MeshError(
            reasons.ERROR_REASON_PATH_OUTSIDE_WORKSPACE, "The path names no file.", metadata={"path": args.path}
        )
    return FileClaim(session.home, place)
