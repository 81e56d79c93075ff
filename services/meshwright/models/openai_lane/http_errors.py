"""Errors as an endpoint tells them: by status, or in the middle of the stream."""

from __future__ import annotations

from typing import Any

import msgspec

from meshwright.models import failures
from meshwright.models.explanations import explain
from meshwright.serving.errors import MeshError


def from_body(model: str, status: int, body: bytes, retry_after: str | None) -> MeshError:
    """The error for a response with an HTTP status that is not 200."""
    try:
        document = msgspec.json.decode(body)
    except msgspec.DecodeError:
        # A proxy's HTML page or plain text says nothing that the status does not.
        document = None
    text, code, _ = explain(document)
    seconds = failures.retry_after_seconds(retry_after)
    return failures.from_provider(model, status, text=text, code=code, retry_after=seconds)


def from_chunk(model: str, error: Any) -> MeshError:
    """The error for an error object in the middle of the stream."""
    text, code, status = explain(error)
    return failures.from_provider(model, status, text=text, code=code)
