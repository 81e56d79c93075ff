"""file.list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from meshwright.tools.arguments import Arguments
from meshwright.tools.context import CallContext
from meshwright.tools.output import Output
from meshwright.tools.paths import DOCUMENTS, PathText
from meshwright.tools.tool import Annotations, tool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meshwright.tools.threads import Job
    from meshwright.tools.workspaces import FileRoots

MAX_ENTRIES = 1000


class ListArguments(Arguments):
    """Arguments of file.list."""

    path: PathText = Field(default="", description="Folder to list. Leave it out for the whole workspace.")
    recursive: bool = Field(default=False, description="List the folders in it too.")


class ListedFile(BaseModel):
    """A file or a folder."""

    path: str = Field(description="Its path; folders end with a slash.")
    size_bytes: int = Field(description="Its size; 0 for folders.")


class Listing(BaseModel):
    """What is in a folder."""

    entries: list[ListedFile] = Field(description="By name.")
    truncated: bool = Field(description=f"There are more than {MAX_ENTRIES}.")


@tool("file.list", Annotations(read_only=True, idempotent=True))
async def file_list(args: ListArguments, call: CallContext) -> Output[Listing]:
    """Lists files and folders of the workspace, and with an empty path the document folders as well."""
    files = call.session.files
    listing = await call.in_thread(lambda job: list_folder(files, args.path, args.recursive, job))
    lines = [f"{e.path}" if e.path.endswith("/") else f"{e.path} ({e.size_bytes} bytes)" for e in listing.entries]
    if listing.truncated:
        lines.append(f"[only the first {MAX_ENTRIES}; list a folder in it]")
    return Output(text="\n".join(lines) or "Nothing is there.", structured=listing, truncated=listing.truncated)


def list_folder(files: FileRoots, path: str, recursive: bool, job: Job) -> Listing:
    """What is in the folder. Blocks."""
    entries: list[ListedFile] = []
    for entry in _entries(files, path, recursive):
        job.check()
        if len(entries) == MAX_ENTRIES:
            return Listing(entries=entries, truncated=True)
        entries.append(entry)
    return Listing(entries=entries, truncated=False)


def _entries(files: FileRoots, path: str, recursive: bool) -> Iterator[ListedFile]:
    place = files.place(path)
    if place.root is files.workspace and not place.parts:
        yield from (ListedFile(path=f"{DOCUMENTS}{name}/", size_bytes=0) for name in sorted(files.documents))
    for entry in place.root.entries(place.parts, recursive=recursive):
        shown = place.root.shown(entry.parts)
        yield ListedFile(path=f"{shown}/" if entry.is_folder else shown, size_bytes=entry.size)
