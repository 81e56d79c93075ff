"""Which addresses may be opened at all."""

from __future__ import annotations

from urllib.parse import urlsplit

from meshwright.serving.errors import MeshError
from meshwright.v1 import error_reason_pb2 as reasons

MAX_URL_CHARS = 8192


def require_web_address(url: str) -> None:
    """Raises INVALID_URL for what is no absolute http or https URL, before any browser is asked."""
    if len(url) > MAX_URL_CHARS:
        raise _invalid(url, f"it has more than {MAX_URL_CHARS} characters")
    if any(character.isspace() or not character.isprintable() for character in url):
        raise _invalid(url, "it contains spaces or control characters")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise _invalid(url, "it is malformed") from None
    if parts.scheme not in ("http", "https"):
        raise _invalid(url, "only http:// and https:// can be opened")
    if not host:
        raise _invalid(url, "it names no host")
    if parts.username is not None or parts.password is not None:
        raise _invalid(url, "it contains credentials")


def _invalid(url: str, why: str) -> MeshError:
    return MeshError(reasons.ERROR_REASON_INVALID_URL, f"This address cannot be opened: {why}.", metadata={"url": url})
