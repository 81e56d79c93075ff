"""What a provider says when it refuses a request: OpenAI's error object, and the other shapes that are about."""

from __future__ import annotations

from typing import Any

_CODES_BY_TYPE = {
    "authentication_error": "invalid_api_key",
    "insufficient_quota": "insufficient_quota",
    "rate_limit_error": "rate_limit_exceeded",
}


def explain(document: Any) -> tuple[str, str, int | None]:
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
