"""Small self-contained pages for refusals and notices."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.exceptions import HTTPException

_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:1rem/1.6 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1.5rem}"
    "h1{font-size:1.4rem;margin:0}"
    "pre{padding:.8rem 1rem;border-radius:.5rem;background:rgb(128 128 128/.15);overflow-x:auto;white-space:pre-wrap}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_MESSAGES = {
    404: "There is nothing at this address.",
    405: "This address is not for that.",
}
_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
}


def refusal_page(refusal: HTTPException, link: tuple[str, str]) -> HTMLResponse:
    """The page for a refused request, with `link` as the way on."""
    phrase = HTTPStatus(refusal.status_code).phrase
    message = _MESSAGES.get(refusal.status_code, phrase) if refusal.detail == phrase else refusal.detail
    return plain_page(refusal.status_code, message, link=link, headers=refusal.headers)


def plain_page(
    status: int,
    message: str,
    *,
    title: str | None = None,
    code: str | None = None,
    link: tuple[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """A page that says one thing, readable without any other file.

    Args:
        status: The HTTP status.
        message: A sentence for the reader; escaped here.
        title: The heading; the status's own phrase when not given.
        code: A command or an exact text, shown as such; escaped here.
        link: Address and text of the way on.
        headers: More response headers.
    """
    heading = escape(title or HTTPStatus(status).phrase)
    parts = [f"<h1>{heading}</h1>", f"<p>{escape(message)}</p>"]
    if code is not None:
        parts.append(f"<pre><code>{escape(code)}</code></pre>")
    if link is not None:
        address, text = link
        parts.append(f'<p><a href="{escape(address)}">{escape(text)}</a></p>')
    body = "\n".join(parts)
    return HTMLResponse(
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{heading}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>\n'
        f"<body><main>\n{body}\n</main></body></html>\n",
        status_code=status,
        headers={**(headers or {}), **_HEADERS},
    )
