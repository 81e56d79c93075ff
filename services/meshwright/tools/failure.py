"""How a call ends that gives no result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from meshwright.serving.errors import MeshError
from meshwright.v1 import error_reason_pb2 as reasons

if TYPE_CHECKING:
    from meshwright.tools.output import Output


class ShownError(MeshError):
    """A failure that has something to show, such as the page on which a click failed."""

    def __init__(self, cause: MeshError, output: Output[Any]) -> None:
        super().__init__(
            cause.reason,
            cause.message,
            metadata=cause.metadata,
            violations=cause.violations,
            retry_after=cause.retry_after,
            quota=cause.quota,
            code=cause.code,
        )
        self.output = output


class CallExpiredError(MeshError):
    """The call's own deadline passed; the call ends as expired."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            reasons.ERROR_REASON_DEADLINE_EXCEEDED,
            f"The call took longer than its {seconds:g} s.",
            metadata={"timeout_ms": round(seconds * 1000)},
        )


def tool_failed(message: str, **metadata: object) -> MeshError:
    """TOOL_FAILED: the tool ran and could not do what was asked. The message is for the model: it says what to do instead.

    The completion adds the tool's name to the metadata.
    """
    return MeshError(reasons.ERROR_REASON_TOOL_FAILED, message, metadata=metadata)
