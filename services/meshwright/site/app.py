"""The site as one ASGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import BaseRoute, Mount, Route

from meshwright.site.failure import failed
from meshwright.site.headers import PAGE_HEADERS, ResponseHeaders
from meshwright.site.page import PageFiles
from meshwright.site.plain_page import refusal_page
from meshwright.site.shop.app import SHOP_PATH, create_shop

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from meshwright.site.settings import SiteSettings


def create_app(settings: SiteSettings) -> Starlette:
    """The application that serves the built page at /, the demo shop under /demo/ and /healthz."""
    routes: list[BaseRoute] = [Route("/healthz", _healthz)]
    if settings.site_demo:
        routes.append(Route(SHOP_PATH, _to_shop))
        routes.append(Mount(SHOP_PATH, create_shop(settings.site_demo_dir)))
    routes.append(Mount("/", PageFiles(settings.site_page_dir)))
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(ResponseHeaders, headers=PAGE_HEADERS),
            Middleware(GZipMiddleware, minimum_size=1024, compresslevel=6),
        ],
        exception_handlers={HTTPException: _refused, Exception: failed},
    )
    # A redirect to the same path with or without a slash would be made from the Host header.
    app.router.redirect_slashes = False
    return app


async def _healthz(_request: Request) -> Response:
    return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})


async def _to_shop(_request: Request) -> Response:
    return RedirectResponse(f"{SHOP_PATH}/", status_code=308)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refusal_page(error, link=("/", "To the start page"))
