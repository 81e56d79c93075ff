"""The error for a model whose software is not installed."""

from __future__ import annotations

from meshwright.serving.errors import MeshError
from meshwright.v1 import error_reason_pb2 as reasons


def missing_extra(spec: str) -> MeshError:
    """MODEL_NOT_FOUND that says what to install."""
    message = f'{spec} needs the extra `models`: pip install "meshwright[models]".'
    return MeshError(reasons.ERROR_REASON_MODEL_NOT_FOUND, message, metadata={"model": spec, "extra": "models"})
