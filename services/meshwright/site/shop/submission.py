"""Reading what a visitor sends, within bounds: query strings and posted forms."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

if TYPE_CHECKING:
    from starlette.requests import Request

MAX_QUERY_BYTES = 2 * 1024
MAX_FORM_BYTES = 16 * 1024
MAX_FIELDS = 30
FORM_SECONDS = 10.0
"""How long a form may take to arrive."""

_FORM_TYPE = "application/x-www-form-urlencoded"


def read_query(request: Request) -> dict[str, str]:
    """The query's fields; the first of a repeated one counts.

    Raises HTTPException 414 for a query over MAX_QUERY_BYTES, 400 for one that is not text.
    """
    query: bytes = request.scope["query_string"]
    if len(query) > MAX_QUERY_BYTES:
        raise HTTPException(414, "The address is too long.")
    return _fields(query)


async def read_form(request: Request) -> dict[str, str]:
    """The posted form's fields, each trimmed; the first of a repeated one counts.

    Raises HTTPException 415 for another kind of body, 413 for one over MAX_FORM_BYTES, 408 for one
    that takes longer than FORM_SECONDS, 400 for one that is not text.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM_TYPE:
        raise HTTPException(415, f"Send the form as {_FORM_TYPE}.")
    body = bytearray()
    try:
        async with asyncio.timeout(FORM_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_FORM_BYTES:
                    raise HTTPException(413, "The form is too large.", {"Connection": "close"})
    except TimeoutError:
        raise HTTPException(408, "The form took too long to arrive.", {"Connection": "close"}) from None
    except ClientDisconnect:
        raise HTTPException(400, "The form did not arrive whole.") from None
    return _fields(bytes(body))


def _fields(encoded: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(encoded.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise HTTPException(400, "What was sent could not be read as form fields.") from None
    if any(ord(char) < 32 and char not in "\t\r\n" for pair in pairs for text in pair for char in text):
        raise HTTPException(400, "What was sent holds control characters.")
    return {name: value.strip() for name, value in reversed(pairs)}
