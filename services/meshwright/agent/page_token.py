"""Page tokens: opaque to callers, a position in a list to us."""

from __future__ import annotations

import base64
import binascii
import struct

from meshwright.serving.errors import MeshError
from meshwright.store.interface import Page
from meshwright.v1 import error_reason_pb2 as reasons

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 200
KEY = struct.Struct(">qq")


def page_of(page_size: int, page_token: str) -> Page:
    """The page that a request asks for, with one entry more than is shown, which tells whether there is another page.

    INVALID_PAGE_TOKEN.
    """
    limit = min(page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE) + 1
    if not page_token:
        return Page(limit)
    try:
        first, second = KEY.unpack(base64.urlsafe_b64decode(page_token))
    except (binascii.Error, struct.error, ValueError):
        raise MeshError(
            reasons.ERROR_REASON_INVALID_PAGE_TOKEN,
            "The page_token is not one that this method gave out; begin without one.",
        ) from None
    return Page(limit, (first, second))


def token_after(key: tuple[int, int]) -> str:
    """The token of the page that follows the entry with this sort key."""
    return base64.urlsafe_b64encode(KEY.pack(*key)).decode()
