"""The shipped catalogue is whole, and what refers to it refers to products that exist."""

from __future__ import annotations

from decimal import Decimal

import pytest

from meshwright.site.shop.account import past_orders
from meshwright.site.shop.catalogue import load_catalogue
from meshwright.site.shop.reviews import load_reviews
from tests.support.site_server import SHIPPED_DEMO

CATALOGUE = load_catalogue(SHIPPED_DEMO)


def test_every_product_has_a_picture_a_price_and_a_specification() -> None:
    assert len(CATALOGUE.products) >= 8
    for product in CATALOGUE.products:
        assert (SHIPPED_DEMO / "static" / "pictures" / f"{product.slug}.svg").is_file()
        assert product.price > 0
        assert product.specifications


def test_a_price_stands_in_the_catalogue_alone() -> None:
    others = [path for path in SHIPPED_DEMO.rglob("*") if path.is_file() and path.name != "catalogue.toml"]
    for product in CATALOGUE.products:
        written = f"{CATALOGUE.shop.currency}{product.price}"
        assert [path.name for path in others if written in path.read_text()] == []


def test_reviews_and_past_orders_are_of_products_that_exist() -> None:
    assert all(CATALOGUE.find(review.product) for review in load_reviews(SHIPPED_DEMO))
    assert all(order.total > 0 for order in past_orders(SHIPPED_DEMO, CATALOGUE))


def test_reviews_come_newest_first() -> None:
    dates = [review.date for review in load_reviews(SHIPPED_DEMO)]

    assert dates == sorted(dates, reverse=True)


@pytest.mark.parametrize(
    ("amount", "written"), [("0", "$0.00"), ("64.5", "$64.50"), ("1249", "$1,249.00"), ("1234567.89", "$1,234,567.89")]
)
def test_money_is_written_with_two_decimals(amount: str, written: str) -> None:
    assert CATALOGUE.shop.money(Decimal(amount)) == written


@pytest.mark.parametrize(
    ("stock", "words"), [(0, "Sold out"), (1, "Only 1 left"), (9, "Only 9 left"), (10, "10 in stock")]
)
def test_availability_is_told_in_words(stock: int, words: str) -> None:
    assert CATALOGUE.products[0].model_copy(update={"stock": stock}).availability == words


@pytest.mark.parametrize("query", ["", "   ", "lamp xylophone"])
def test_a_search_needs_every_one_of_its_words(query: str) -> None:
    assert CATALOGUE.search(query) == []
