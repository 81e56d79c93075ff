"""How much a session's workspace may hold."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from meshwright.serving.errors import MeshError, Quota
from meshwright.v1 import error_reason_pb2 as reasons

if TYPE_CHECKING:
    from collections.abc import Callable

RECOUNT_SECONDS = 30.0
"""Others may write to the folder too, so what was counted is counted anew after so long."""


class WorkspaceQuota:
    """Counts what is there and refuses what would be too much. Safe for many threads at once."""

    def __init__(self, max_bytes: int, max_files: int) -> None:
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._lock = threading.Lock()
        self._counted_at = float("-inf")
        self._bytes = self._files = 0

    def reserve(self, more_bytes: int, *, files: int, count: Callable[[], tuple[int, int]]) -> None:
        """Notes what is about to be written. Raises QUOTA_EXCEEDED where it would be too much; less is always fine.

        `count` gives the bytes and the number of files and folders that are there.
        """
        with self._lock:
            if time.monotonic() - self._counted_at > RECOUNT_SECONDS:
                self._bytes, self._files = count()
                self._counted_at = time.monotonic()
            if more_bytes > 0 and self._bytes + more_bytes > self._max_bytes:
                raise _exceeded("workspace_bytes", self._max_bytes, "bytes")
            if files > 0 and self._files + files > self._max_files:
                raise _exceeded("workspace_files", self._max_files, "files")
            self._bytes += more_bytes
            self._files += files


def _exceeded(name: str, limit: int, unit: str) -> MeshError:
    return MeshError(
        reasons.ERROR_REASON_QUOTA_EXCEEDED,
        f"The workspace would have more than {limit} {unit}.",
        quota=Quota(name, limit, "workspace"),
    )
