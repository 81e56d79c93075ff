"""The demo customer's pages: signing in and out, and the account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse
from starlette.routing import Route

from meshwright.site.shop.account import PASSWORD, USER_NAME, customer_name, past_orders, sign_in, sign_out
from meshwright.site.shop.submission import read_form

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from meshwright.site.shop.pages import DemoPages

ACCOUNT_ADDRESS = "/demo/account"
LOGIN_ADDRESS = "/demo/login"
_SEE_OTHER = 303


class PersonalRoutes:
    """Pages that know who the visitor is."""

    def __init__(self, pages: DemoPages) -> None:
        self._pages = pages
        self.routes = [
            Route("/login", self.login_form),
            Route("/login", self.login, methods=["POST"]),
            Route("/logout", self.logout, methods=["POST"]),
            Route("/account", self.account),
        ]

    async def login_form(self, request: Request) -> Response:
        """The sign-in form."""
        return self._form(request)

    async def login(self, request: Request) -> Response:
        """Sign in and go to the account, or say that it did not work."""
        form = await read_form(request)
        if sign_in(request.session, form.get("user", ""), form.get("password", "")):
            return RedirectResponse(ACCOUNT_ADDRESS, _SEE_OTHER)
        return self._form(request, status=403, user=form.get("user", ""))

    async def logout(self, request: Request) -> Response:
        """Sign out and go back to the catalogue."""
        sign_out(request.session)
        return RedirectResponse("/demo/", _SEE_OTHER)

    async def account(self, request: Request) -> Response:
        """The customer's orders; others are sent to sign in."""
        if customer_name(request.session) is None:
            return RedirectResponse(LOGIN_ADDRESS, _SEE_OTHER)
        catalogue = self._pages.catalogue()
        orders = past_orders(self._pages.demo_dir, catalogue)
        return self._pages.render(request, "account.html", catalogue, orders=orders)

    def _form(self, request: Request, *, status: int = 200, user: str = "") -> Response:
        return self._pages.render(
            request,
            "login.html",
            self._pages.catalogue(),
            status=status,
            refused=status != 200,
            user=user,
            user_name=USER_NAME,
            password=PASSWORD,
        )
