"""Small self-contained pages for refusals and notices."""

from __future__ import annotations

from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse

if TYPE_CHECKING:
    from collections.abc import Mapping


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
    return HTMLResponse(
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{heading}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"></head>\n'
        f"<body><main>\n{chr(10).join(parts)}\n</main></body></html>\n",
        status_code=status,
        headers=dict(headers or {}) | {"Cache-Control": "no-store"},
    )
