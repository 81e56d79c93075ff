"""What a visitor sees of a fault of ours."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING

from meshwright.site.plain_page import plain_page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_log = logging.getLogger(__name__)


async def failed(request: Request, _error: Exception) -> Response:
    """A 500 page with an id and nothing of the exception; the server logs the traceback after this line."""
    error_id = uuid.uuid4().hex
    _log.error("%s %r failed, error id %s", request.method, request.url.path, error_id)
    return plain_page(500, "Something went wrong here. It was logged under:", code=error_id)
