"""What a tool gives, and how it becomes a ToolResult within the bounds of the contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from pydantic import BaseModel

from meshwright.tools.json_struct import to_struct
from meshwright.v1 import tool_pb2

if TYPE_CHECKING:
    from meshwright.v1.artifact_pb2 import Artifact

MAX_TEXT_BYTES = 64 * 1024
MAX_STRUCTURED_BYTES = 512 * 1024
MAX_INLINE_BYTES = 256 * 1024
"""Of all artifacts of one result together, so that a completion stays below 1 MiB."""

R = TypeVar("R", bound=BaseModel)


@dataclass(frozen=True)
class Output(Generic[R]):
    """What a call gave."""

    text: str
    """For the model. Longer than 64 KiB it is cut, and says so at its end."""
    structured: R | None = None
    """The same for programs."""
    artifacts: tuple[Artifact, ...] = ()
    """Files that the call made."""
    untrusted_origin: str = ""
    """Where untrusted text comes from; empty when the text is the mesh's own."""
    truncated: bool = False
    """The text was cut by the tool itself."""


def to_result(output: Output[R]) -> tool_pb2.ToolResult:
    """The output as it travels, whole below 1 MiB."""
    text, cut = fit_text(output.text, MAX_TEXT_BYTES)
    result = tool_pb2.ToolResult(
        text=text,
        artifacts=output.artifacts,
        untrusted_origin=output.untrusted_origin,
        truncated=output.truncated or cut,
    )
    if output.structured is not None:
        structured = to_struct(output.structured.model_dump(mode="json"))
        if structured.ByteSize() <= MAX_STRUCTURED_BYTES:
            result.structured.CopyFrom(structured)
        else:
            result.truncated = True
    if sum(len(artifact.inline_data) for artifact in result.artifacts) > MAX_INLINE_BYTES:
        for artifact in result.artifacts:
            artifact.ClearField("inline_data")
    return result


def fit_text(text: str, max_bytes: int) -> tuple[str, bool]:
    """The text within `max_bytes` of UTF-8, with a mark at its end where it was cut, and whether it was."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= max_bytes:
        return encoded.decode(), False
    mark = f"\n[cut here: {len(encoded)} bytes in all]"
    return encoded[: max_bytes - len(mark)].decode("utf-8", "ignore") + mark, True
