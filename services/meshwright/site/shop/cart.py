"""The shopping cart, kept in the visitor's signed cookie."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meshwright.site.shop.catalogue import Catalogue, Product

MAX_QUANTITY = 20
"""The most pieces of one product that a cart takes."""

MAX_LINES = 20
"""The most different products that a cart takes; keeps the cookie under a browser's 4 KB."""

_SESSION_KEY = "cart"


@dataclass(frozen=True)
class CartLine:
    """Some pieces of one product."""

    product: Product
    quantity: int

    @property
    def total(self) -> Decimal:
        """What the pieces cost together, at today's price."""
        return self.product.price * self.quantity


class Cart:
    """What a visitor has gathered. Prices are never stored: they come from the catalogue."""

    def __init__(self, catalogue: Catalogue, quantities: dict[str, int]) -> None:
        self._shop = catalogue.shop
        self._quantities = quantities
        self.lines = [
            CartLine(product, quantities[product.slug])
            for product in catalogue.products
            if quantities.get(product.slug, 0) > 0
        ]

    @classmethod
    def of(cls, session: dict[str, Any], catalogue: Catalogue) -> Cart:
        """The cart in a visitor's session; products that are no longer sold are left out."""
        return cls(catalogue, session.get(_SESSION_KEY, {}))

    @property
    def count(self) -> int:
        """How many pieces are in the cart."""
        return sum(line.quantity for line in self.lines)

    @property
    def subtotal(self) -> Decimal:
        """What the goods cost."""
        return sum((line.total for line in self.lines), Decimal(0))

    @property
    def delivery(self) -> Decimal:
        """What delivery costs; nothing for an empty cart."""
        return self._shop.delivery(self.subtotal) if self.lines else Decimal(0)

    @property
    def total(self) -> Decimal:
        """Goods and delivery."""
        return self.subtotal + self.delivery

    def quantity(self, product: Product) -> int:
        """How many pieces of a product are in the cart."""
        return self._quantities.get(product.slug, 0)


def set_quantity(session: dict[str, Any], product: Product, quantity: int) -> int:
    """Put `quantity` pieces of a product into the cart, zero takes it out.

    Returns the quantity kept, which is at most MAX_QUANTITY and at most what is in stock.
    """
    kept = max(0, min(quantity, MAX_QUANTITY, product.stock))
    quantities: dict[str, int] = {**session.get(_SESSION_KEY, {})}
    quantities.pop(product.slug, None)
    if kept and len(quantities) < MAX_LINES:
        quantities[product.slug] = kept
    session[_SESSION_KEY] = quantities
    return quantities.get(product.slug, 0)


def empty_cart(session: dict[str, Any]) -> None:
    """Take everything out of the cart."""
    session.pop(_SESSION_KEY, None)
