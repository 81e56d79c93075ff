"""The demo customer: signing in, and the orders of the past."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from meshwright.site.shop.demo_file import DemoFileError, read_toml

if TYPE_CHECKING:
    from pathlib import Path

    from meshwright.site.shop.catalogue import Catalogue, Product

USER_NAME = "demo"
PASSWORD = "demo"  # noqa: S105  # printed on the login page: the account is there to be tried

ORDERS_FILE = "orders.toml"
_SESSION_KEY = "customer"


def sign_in(session: dict[str, Any], user_name: str, password: str) -> bool:
    """Sign the visitor in if name and password are the demo customer's."""
    if (user_name, password) != (USER_NAME, PASSWORD):
        return False
    session[_SESSION_KEY] = USER_NAME
    return True


def sign_out(session: dict[str, Any]) -> None:
    """Sign the visitor out; the cart stays."""
    session.pop(_SESSION_KEY, None)


def customer_name(session: dict[str, Any]) -> str | None:
    """The name of the customer who is signed in, or None."""
    name = session.get(_SESSION_KEY)
    return name if isinstance(name, str) else None


class OrderedItem(BaseModel):
    """Some pieces of one product in a past order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    product: str
    quantity: int = Field(ge=1)


class PastOrder(BaseModel):
    """One order of the demo customer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: str
    date: datetime.date
    status: str
    items: tuple[OrderedItem, ...]


class PastOrders(BaseModel):
    """The whole of demo/orders.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    orders: tuple[PastOrder, ...] = Field(alias="order")


class OrderRow:
    """A past order as the account page's table shows it, at the catalogue's prices."""

    def __init__(self, order: PastOrder, catalogue: Catalogue) -> None:
        self.number = order.number
        self.date = order.date
        self.status = order.status
        self.items = [(_product(item.product, catalogue), item.quantity) for item in order.items]
        goods = sum((product.price * quantity for product, quantity in self.items), Decimal(0))
        self.total = goods + catalogue.shop.delivery(goods)


def past_orders(demo_dir: Path, catalogue: Catalogue) -> list[OrderRow]:
    """The demo customer's orders, in the file's order; raises DemoFileError."""
    orders = read_toml(demo_dir / ORDERS_FILE, PastOrders).orders
    return [OrderRow(order, catalogue) for order in orders]


def _product(slug: str, catalogue: Catalogue) -> Product:
    product = catalogue.find(slug)
    if product is None:
        raise DemoFileError(ORDERS_FILE, f"no product has the slug {slug!r}")
    return product
