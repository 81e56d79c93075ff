"""file.write."""

from __future__ import annotations

from pydantic import BaseModel, Field

from meshwright.tools.arguments import Arguments
from meshwright.tools.context import CallContext
from meshwright.tools.files.claims import FileClaim, claim_file
from meshwright.tools.output import Output
from meshwright.tools.paths import PathText
from meshwright.tools.tool import Annotations, tool

MAX_CONTENT_CHARS = 1024 * 1024


class WriteArguments(Arguments):
    """Arguments of file.write."""

    path: PathText = Field(description="File to write, such as notes/today.txt. Missing folders are made.")
    content: str = Field(max_length=MAX_CONTENT_CHARS, description="The whole content. It replaces what is there.")


class WrittenFile(BaseModel):
    """A file that was written."""

    path: str = Field(description="The file.")
    size_bytes: int = Field(description="Its size.")
    created: bool = Field(description="It was not there before.")


@tool("file.write", Annotations(idempotent=True, destructive=True), claim=claim_file)
async def file_write(args: WriteArguments, call: CallContext) -> Output[WrittenFile]:
    """Writes a text file of the workspace, anew or over the one that is there. To change a part, use file.edit."""
    assert isinstance(call.claim, FileClaim)
    place = call.claim.place
    data = args.content.encode()
    created = await call.in_thread(lambda _: place.root.write(place.parts, data))
    return Output(
        text=f"{'Created' if created else 'Replaced'} {place.shown} with {len(data)} bytes.",
        structured=WrittenFile(path=place.shown, size_bytes=len(data), created=created),
    )
