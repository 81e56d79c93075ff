"""What an endpoint says when it refuses a request: OpenAI's error object, and the other shapes that are about."""

from __future__ import annotations

from typing import Any

import msgspec

from meshwright.models import failures
from meshwright.serving.errors import MeshError

_CODES_BY_TYPE = {
    "authentication_error": "invalid_api_key",
    "insufficient_quota": "insufficient_quota",
    "rate_limit_error": "rate_limit_exceeded",
}


def from_body(model: str, status: int, body: bytes, retry_after: str | None) -> MeshError:
    """The error for a response with an HTTP status that is not 200."""
    try:
        document = msgspec.json.decode(body)
    except msgspec.DecodeError:
        # A proxy's HTML page or plain text says nothing that the status does not.
        document = None
    text, code, _ = _explanation(document)
    seconds = failures.retry_after_seconds(retry_after)
    return failures.from_provider(model, status, text=text, code=code, retry_after=seconds)


def from_chunk(model: str, error: Any) -> MeshError:
    """The error for an error object in the middle of the stream."""
    text, code, status = _explanation(error)
    return failures.from_provider(model, status, text=text, code=code)


def _explanation(document: Any) -> tuple[str, str, int | None]:
    """The message, the error code and the HTTP status that an error document gives."""
    if isinstance(document, list) and document:
        document = document[0]
    if isinstance(document, dict) and document.get("error"):
        document = document["error"]
    if isinstance(document, str):
        return document, "", None
    if not isinstance(document, dict):
        return "", "", None
    message = document.get("message") or document.get("detail") or ""
    code = document.get("code")
    named = code if isinstance(code, str) else _CODES_BY_TYPE.get(str(document.get("type")), "")
    status = code if isinstance(code, int) and 400 <= code < 600 else None
    return message if isinstance(message, str) else "", named, status
