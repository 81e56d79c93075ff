"""Which addresses a browser may be told to open."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from meshwright.browser import failures

MAX_URL = 8192
SCHEMES = frozenset({"http", "https"})
# Chromium drops tabs and newlines from an address and trims the rest, so what we looked at would not be what it opens.
_CONTROL = re.compile(r"[\x00-\x20\x7f\\]")


def checked(url: str) -> str:
    """The address itself when it is a well-formed absolute http or https URL. Raises INVALID_URL otherwise."""
    if len(url) > MAX_URL or _CONTROL.search(url):
        raise failures.invalid_url(url)
    try:
        parts = urlsplit(url)
        fine = parts.scheme in SCHEMES and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        fine = False
    if not fine:
        raise failures.invalid_url(url)
    return url
