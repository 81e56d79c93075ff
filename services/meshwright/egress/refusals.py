"""Why the egress proxy did not give a page, in one word: DENIED, or the net error that Chromium has for it."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADER = "x-meshwright-egress"
"""Carried by every answer of the proxy's own, and by no other."""
DENIED = "denied"
ASK_SECONDS = 3.0
HTTP_OK = 200
MAX_ANSWER = 64 * 1024
NO_TUNNEL = "ERR_TUNNEL_CONNECTION_FAILED"
"""What Chromium says, whatever the cause."""
DOWN = "ERR_PROXY_CONNECTION_FAILED"
DEFAULT_PORTS = {"http": 80, "https": 443}

# Envoy's words for what became of a request, in the order in which they are looked for.
_CAUSES = (
    (r"no_healthy_upstream|sub_cluster_warming_timeout|dns_resolution_failure", "ERR_NAME_NOT_RESOLVED"),
    (r"Connection_refused", "ERR_CONNECTION_REFUSED"),
    (r"(Network|Host)_(is_)?unreachable|No_route", "ERR_ADDRESS_UNREACHABLE"),
    (r"connection_timeout|timed_out", "ERR_CONNECTION_TIMED_OUT"),
    (r"protocol_error|codec", "ERR_INVALID_HTTP_RESPONSE"),
    (r"connection_termination", "ERR_EMPTY_RESPONSE"),
    (r"remote_reset|reset_before", "ERR_CONNECTION_RESET"),
)


def cause_of(said: str) -> str:
    """DENIED, or the net error for what the proxy's header says."""
    if said == DENIED:
        return DENIED
    return next((error for words, error in _CAUSES if re.search(words, said, re.IGNORECASE)), "ERR_CONNECTION_FAILED")


def cause_in(url: str, headers: Mapping[str, str]) -> str:
    """Why an answer to an http URL is the proxy's own; empty where it is the site's. Names of headers are in lower case.

    Over https nobody but the site answers, whatever its headers say.
    """
    said = headers.get(HEADER) if urlsplit(url).scheme == "http" else None
    return cause_of(said) if said is not None else ""


async def ask(proxy: str, url: str) -> str:
    """Why the proxy opens no tunnel to the host of the URL: Chromium itself does not tell. Takes a few seconds at most.

    NO_TUNNEL where it opens one now, or does not say. DOWN where the proxy cannot be reached.
    """
    there, wanted = urlsplit(proxy), urlsplit(url)
    port = wanted.port or DEFAULT_PORTS.get(wanted.scheme, 0)
    host = f"[{wanted.hostname}]" if ":" in (wanted.hostname or "") else wanted.hostname
    request = f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n"
    try:
        async with asyncio.timeout(ASK_SECONDS):
            reader, writer = await asyncio.open_connection(there.hostname, there.port, limit=MAX_ANSWER)
            try:
                writer.write(request.encode("ascii", "replace"))
                answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        # Before OSError, of which TimeoutError is one.
        return NO_TUNNEL
    except OSError:
        return DOWN
    found = re.search(rf"^{HEADER}: *(.*?)\r$", answer, re.IGNORECASE | re.MULTILINE)
    return cause_of(found[1]) if found else NO_TUNNEL
