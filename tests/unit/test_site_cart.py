"""The demo shop's cart: its sums follow from the catalogue, its bounds hold."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meshwright.site.shop.cart import MAX_QUANTITY, Cart, empty_cart, set_quantity
from meshwright.site.shop.catalogue import load_catalogue
from tests.support.site_server import SHIPPED_DEMO

CATALOGUE = load_catalogue(SHIPPED_DEMO)

changes = st.lists(st.tuples(st.sampled_from(CATALOGUE.products), st.integers(-5, 3 * MAX_QUANTITY)), max_size=30)


@given(changes)
def test_sums_and_bounds_hold_after_any_changes(changes: list[tuple[Any, int]]) -> None:
    session: dict[str, Any] = {}
    for product, quantity in changes:
        kept = set_quantity(session, product, quantity)
        assert 0 <= kept <= min(MAX_QUANTITY, product.stock)
    cart = Cart.of(session, CATALOGUE)

    assert cart.count == sum(line.quantity for line in cart.lines)
    assert cart.subtotal == sum((line.product.price * line.quantity for line in cart.lines), Decimal(0))
    assert cart.total == cart.subtotal + cart.delivery
    assert (cart.delivery > 0) == (0 < cart.subtotal < CATALOGUE.shop.free_delivery_from)
    assert all(line.quantity > 0 for line in cart.lines)


def test_a_product_that_is_no_longer_sold_leaves_the_cart() -> None:
    session: dict[str, Any] = {}
    for product in CATALOGUE.products[:2]:
        set_quantity(session, product, 1)
    smaller = CATALOGUE.model_copy(update={"products": CATALOGUE.products[1:]})

    assert [line.product for line in Cart.of(session, smaller).lines] == [CATALOGUE.products[1]]


def test_an_emptied_cart_costs_nothing() -> None:
    session: dict[str, Any] = {}
    set_quantity(session, CATALOGUE.products[0], 2)
    empty_cart(session)

    assert Cart.of(session, CATALOGUE).total == 0
