"""Response headers that every answer of an application carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CLOSED = "default-src 'none'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
_OWN_FILES = f"{_CLOSED}; script-src 'self'; style-src 'self'; font-src 'self'; form-action 'self'"

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

# The page shows screenshots and the live view from bytes it has received: data: and blob: images.
PAGE_HEADERS = {
    **SECURITY_HEADERS,
    "Content-Security-Policy": (
        f"{_OWN_FILES}; img-src 'self' data: blob:; connect-src 'self'; manifest-src 'self'; worker-src 'self'"
    ),
}

SHOP_HEADERS = {
    **SECURITY_HEADERS,
    "Content-Security-Policy": f"{_OWN_FILES}; img-src 'self' data:; connect-src 'self'",
    # An edited file must show on the next request.
    "Cache-Control": "no-store",
}


class ResponseHeaders:
    """ASGI middleware that adds `headers` to each response, leaving those that it already has."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and complete the head of its response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    present.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
