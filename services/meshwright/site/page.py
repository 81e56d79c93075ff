"""Serving the web page that the build has put into a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from meshwright.site.plain_page import plain_page

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.responses import Response
    from starlette.types import Scope

HASHED_FILES = "assets"
"""The folder into which the build puts files whose name changes with their content."""

_FOREVER = "public, max-age=31536000, immutable"
_ASK_EACH_TIME = "no-cache"
_INDEX = "index.html"


class PageFiles(StaticFiles):
    """The built page: its files, and index.html for every address that the page itself routes."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory=directory, check_dir=False)

    async def check_config(self) -> None:
        """Nothing to check: the page may be built while the site runs."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file at `path`, or the page for an address without a file, or a 404 page."""
        if _is_page_address(path):
            path = _INDEX
        try:
            response = await super().get_response(path, scope)
        except HTTPException as refusal:
            if refusal.status_code == 404 and path == _INDEX:
                return _page_not_built()
            raise
        hashed = path.startswith(f"{HASHED_FILES}/")
        response.headers["Cache-Control"] = _FOREVER if hashed else _ASK_EACH_TIME
        return response


def _is_page_address(path: str) -> bool:
    """Whether the page routes `path` itself: no part of it looks like a file or an RPC, nor is it another's."""
    return path == "." or not ("." in path or path.split("/")[0] in ("demo", HASHED_FILES))


def _page_not_built() -> Response:
    return plain_page(
        503,
        "This is Meshwright, and it is running, but its web page has not been built. In the project's folder, run:",
        title="The page is not built yet",
        code="make page",
        link=("/demo/", "Look at the demo shop meanwhile"),
    )
