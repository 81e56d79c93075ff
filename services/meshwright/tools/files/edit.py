"""file.edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from meshwright.tools.arguments import Arguments
from meshwright.tools.context import CallContext
from meshwright.tools.failure import tool_failed
from meshwright.tools.files.claims import FileClaim, claim_file
from meshwright.tools.files.text import encoding_of
from meshwright.tools.output import Output
from meshwright.tools.paths import PathText
from meshwright.tools.tool import Annotations, tool

if TYPE_CHECKING:
    from meshwright.tools.workspaces import Place

MAX_EDITED_BYTES = 8 * 1024 * 1024
MAX_TEXT_CHARS = 256 * 1024


class EditArguments(Arguments):
    """Arguments of file.edit."""

    path: PathText = Field(description="File to change.")
    old_text: str = Field(
        min_length=1,
        max_length=MAX_TEXT_CHARS,
        description="Text to replace, exactly as it stands in the file, with enough around it to occur only once.",
    )
    new_text: str = Field(max_length=MAX_TEXT_CHARS, description="Text to put in its place.")
    all: bool = Field(default=False, description="Replace every occurrence.")


class EditedFile(BaseModel):
    """A file that was changed."""

    path: str = Field(description="The file.")
    replacements: int = Field(description="How many occurrences were replaced.")
    size_bytes: int = Field(description="Its size now.")


@tool("file.edit", Annotations(destructive=True), claim=claim_file)
async def file_edit(args: EditArguments, call: CallContext) -> Output[EditedFile]:
    """Replaces text in a file of the workspace."""
    assert isinstance(call.claim, FileClaim)
    place = call.claim.place

    def edit(_: object) -> tuple[int, int]:
        text, encoding = _text_of(place)
        changed, count = replace(text, args.old_text, args.new_text, everywhere=args.all, path=place.shown)
        data = changed.encode(encoding)
        place.root.write(place.parts, data)
        return count, len(data)

    count, size = await call.in_thread(edit)
    times = "once" if count == 1 else f"{count} times"
    return Output(
        text=f"Changed {place.shown}: replaced the text {times}.",
        structured=EditedFile(path=place.shown, replacements=count, size_bytes=size),
    )


def replace(text: str, old: str, new: str, *, everywhere: bool, path: str) -> tuple[str, int]:
    """The text with `old` replaced, and how often. Raises TOOL_FAILED when it is not there, or more than once and not wanted so.

    Models write line feeds; in a file with Windows line ends theirs are taken for those.
    """
    if "\r\n" in text and "\r" not in old and old not in text:
        old, new = old.replace("\n", "\r\n"), new.replace("\n", "\r\n")
    count = text.count(old)
    if count == 0:
        raise tool_failed(f"old_text does not occur in {path}. Read the file and copy the text exactly.", path=path)
    if count > 1 and not everywhere:
        raise tool_failed(
            f"old_text occurs {count} times in {path}. Give more of the text around it, or set all.",
            path=path,
            occurrences=count,
        )
    return text.replace(old, new), count


def _text_of(place: Place) -> tuple[str, str]:
    data = place.root.read(place.parts, MAX_EDITED_BYTES)
    encoding = encoding_of(data)
    if encoding is not None:
        try:
            return data.decode(encoding), encoding
        except UnicodeDecodeError:
            pass
    raise tool_failed(f"{place.shown} is not a text file in UTF-8, so it cannot be edited.", path=place.shown)
