"""What the caller is told when a handler raises."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import grpc
import structlog

from meshwright.serving.errors import MeshError
from meshwright.v1 import error_reason_pb2 as reasons

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERNAL_MESSAGE = "The server failed. Its log has the cause under the error id."

log = structlog.get_logger(__name__)


def as_mesh_error(error: BaseException, method: str) -> MeshError:
    """The error that the caller of `method` gets for whatever its handler raised.

    A MeshError passes, also out of a task group; the typed error of a service behind passes too. Everything else is a defect:
    its text stays in the log, the caller gets an id to find it by.
    """
    leaves = list(_leaves(error))
    known = [leaf for leaf in leaves if isinstance(leaf, MeshError | grpc.aio.AioRpcError)]
    if not known or len(known) < len(leaves):
        return _defect(error, method)
    first = known[0]
    mesh_error = first if isinstance(first, MeshError) else MeshError.from_rpc_error(first)
    if mesh_error.reason == reasons.ERROR_REASON_INTERNAL and "error_id" not in mesh_error.metadata:
        return _defect(error, method)
    return mesh_error


def not_implemented(method: str) -> MeshError:
    """NOT_IMPLEMENTED for a method without a handler."""
    return MeshError(
        reasons.ERROR_REASON_NOT_IMPLEMENTED,
        f"This server does not implement {method}.",
        metadata={"method": method},
    )


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _defect(error: BaseException, method: str) -> MeshError:
    error_id = uuid4().hex[:16]
    log.error("defect", method=method, error_id=error_id, exc_info=error)
    return MeshError(reasons.ERROR_REASON_INTERNAL, INTERNAL_MESSAGE, metadata={"error_id": error_id})
