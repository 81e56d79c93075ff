"""The shop's cart and order form."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

from meshwright.site.shop.cart import MAX_QUANTITY, Cart, empty_cart, set_quantity
from meshwright.site.shop.order_form import DELIVERY_NAMES, PlacedOrder, check_order
from meshwright.site.shop.submission import read_form, read_query

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from meshwright.site.shop.catalogue import Catalogue, Product
    from meshwright.site.shop.pages import DemoPages

CART_ADDRESS = "/demo/cart"
_SEE_OTHER = 303


class BuyRoutes:
    """Gathering and ordering; nothing is kept but the visitor's own cookie."""

    def __init__(self, pages: DemoPages) -> None:
        self._pages = pages
        self.routes = [
            Route("/cart", self.cart),
            Route("/cart/add", self.add, methods=["POST"]),
            Route("/cart/update", self.update, methods=["POST"]),
            Route("/cart/empty", self.empty, methods=["POST"]),
            Route("/order", self.order_form),
            Route("/order", self.order, methods=["POST"]),
        ]

    async def cart(self, request: Request) -> Response:
        """The cart with its totals."""
        return self._pages.render(request, "cart.html", self._pages.catalogue(), max_quantity=MAX_QUANTITY)

    async def add(self, request: Request) -> Response:
        """Put pieces of a product into the cart; answers a script with JSON, a form with the cart."""
        catalogue = self._pages.catalogue()
        form = await read_form(request)
        product = _chosen(form, catalogue)
        before = Cart.of(request.session, catalogue).quantity(product)
        kept = set_quantity(request.session, product, before + _quantity(form, least=1))
        if "application/json" not in request.headers.get("accept", ""):
            return RedirectResponse(CART_ADDRESS, _SEE_OTHER)
        count = Cart.of(request.session, catalogue).count
        return JSONResponse({"product": product.name, "added": kept - before, "in_cart": kept, "count": count})

    async def update(self, request: Request) -> Response:
        """Set the quantity of a product in the cart; zero takes it out."""
        form = await read_form(request)
        product = _chosen(form, self._pages.catalogue())
        set_quantity(request.session, product, _quantity(form, least=0))
        return RedirectResponse(CART_ADDRESS, _SEE_OTHER)

    async def empty(self, request: Request) -> Response:
        """Take everything out of the cart."""
        empty_cart(request.session)
        return RedirectResponse(CART_ADDRESS, _SEE_OTHER)

    async def order_form(self, request: Request) -> Response:
        """The empty order form, with the product that a link may have chosen."""
        chosen = read_query(request).get("product", "")
        return self._form(request, {"product": chosen, "quantity": "1", "delivery": "standard"}, {})

    async def order(self, request: Request) -> Response:
        """Confirm what was entered, or show the form again with what is wrong."""
        fields = await read_form(request)
        catalogue = self._pages.catalogue()
        outcome = check_order(fields, catalogue)
        if not isinstance(outcome, PlacedOrder):
            return self._form(request, fields, outcome)
        number = f"HD-{secrets.token_hex(3).upper()}"
        return self._pages.render(request, "confirmation.html", catalogue, order=outcome, number=number)

    def _form(self, request: Request, fields: dict[str, str], complaints: dict[str, str]) -> Response:
        return self._pages.render(
            request,
            "order.html",
            self._pages.catalogue(),
            status=422 if complaints else 200,
            fields=fields,
            complaints=complaints,
            delivery_names=DELIVERY_NAMES,
            max_quantity=MAX_QUANTITY,
        )


def _chosen(form: dict[str, str], catalogue: Catalogue) -> Product:
    product = catalogue.find(form.get("product", ""))
    if product is None:
        raise HTTPException(400, "The shop has no such product.")
    return product


def _quantity(form: dict[str, str], *, least: int) -> int:
    text = form.get("quantity", "1")
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and least <= int(text) <= MAX_QUANTITY):
        raise HTTPException(400, f"The quantity must be from {least} to {MAX_QUANTITY}.")
    return int(text)
