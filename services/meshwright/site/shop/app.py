"""The demo shop as one ASGI application, mounted under /demo."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from meshwright.site.failure import failed
from meshwright.site.headers import SHOP_HEADERS, ResponseHeaders
from meshwright.site.plain_page import plain_page, refusal_page
from meshwright.site.shop.browse import BrowseRoutes
from meshwright.site.shop.buy import BuyRoutes
from meshwright.site.shop.demo_file import DemoFileError
from meshwright.site.shop.pages import DemoPages
from meshwright.site.shop.personal import PersonalRoutes
from meshwright.site.shop.showroom import ShowroomRoutes

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

SHOP_PATH = "/demo"
SESSION_COOKIE = "hearth_and_desk"
SESSION_SECONDS = 24 * 3600


def create_shop(demo_dir: Path) -> Starlette:
    """The shop over the files in `demo_dir`.

    Carts and sign-ins live in a cookie signed with a secret of this process: they end with it.
    """
    pages = DemoPages(demo_dir)
    shop = Starlette(
        routes=[
            *BrowseRoutes(pages).routes,
            *BuyRoutes(pages).routes,
            *PersonalRoutes(pages).routes,
            *ShowroomRoutes(pages).routes,
            Mount("/static", StaticFiles(directory=demo_dir / "static", check_dir=False)),
        ],
        middleware=[
            Middleware(ResponseHeaders, headers=SHOP_HEADERS),
            Middleware(
                SessionMiddleware,
                secret_key=secrets.token_hex(32),
                session_cookie=SESSION_COOKIE,
                max_age=SESSION_SECONDS,
                path=SHOP_PATH,
                same_site="lax",
            ),
        ],
        exception_handlers={HTTPException: _refused, DemoFileError: _file_to_mend, Exception: failed},
    )
    # A redirect to the same path with or without a slash would be made from the Host header.
    shop.router.redirect_slashes = False
    return shop


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refusal_page(error, link=(f"{SHOP_PATH}/", "Back to the shop"))


async def _file_to_mend(_request: Request, error: Exception) -> Response:
    assert isinstance(error, DemoFileError)
    return plain_page(
        500,
        f"The demo shop's file {error.file_name} needs mending.",
        title="The shop is closed for a moment",
        code=error.problem,
        link=(f"{SHOP_PATH}/", "Try the shop again"),
    )
