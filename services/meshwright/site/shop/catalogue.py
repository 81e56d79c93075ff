"""What the demo shop sells, read from demo/catalogue.toml."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from meshwright.site.shop.demo_file import read_toml

if TYPE_CHECKING:
    from pathlib import Path

CATALOGUE_FILE = "catalogue.toml"

Money = Annotated[Decimal, Field(ge=0, max_digits=9, decimal_places=2)]


class Shop(BaseModel):
    """The shop itself: its name, its currency sign and what delivery costs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    tagline: str
    currency: str
    delivery_fee: Money
    express_fee: Money
    free_delivery_from: Money

    def money(self, amount: Decimal) -> str:
        """An amount as the shop writes it, e.g. `$1,249.00`."""
        return f"{self.currency}{amount:,.2f}"

    def delivery(self, subtotal: Decimal) -> Decimal:
        """What delivery costs for goods worth `subtotal`."""
        return Decimal(0) if subtotal >= self.free_delivery_from else self.delivery_fee


class Product(BaseModel):
    """One thing on sale."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slug: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)
    name: str
    price: Money
    stock: int = Field(ge=0)
    category: str
    summary: str
    description: str
    picture_alt: str
    warranty_years: int = Field(ge=0)
    delivery_days: int = Field(ge=0)
    specifications: dict[str, str]

    @property
    def availability(self) -> str:
        """Whether it can be bought now, in the words the pages show."""
        if self.stock == 0:
            return "Sold out"
        return f"Only {self.stock} left" if self.stock < 10 else f"{self.stock} in stock"

    def mentions(self, words: list[str]) -> bool:
        """Whether every one of the lower-case `words` occurs in the product's texts."""
        text = " ".join((self.name, self.category, self.summary, self.description)).lower()
        return all(word in text for word in words)


class Catalogue(BaseModel):
    """The whole of demo/catalogue.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shop: Shop
    products: tuple[Product, ...] = Field(alias="product")

    @field_validator("products")
    @classmethod
    def _slugs_are_unique(cls, products: tuple[Product, ...]) -> tuple[Product, ...]:
        slugs = [product.slug for product in products]
        repeated = sorted({slug for slug in slugs if slugs.count(slug) > 1})
        if repeated:
            raise ValueError(f"slug used twice: {', '.join(repeated)}")
        return products

    @property
    def categories(self) -> list[str]:
        """The categories in the order in which they first appear."""
        return list(dict.fromkeys(product.category for product in self.products))

    def find(self, slug: str) -> Product | None:
        """The product with this slug, or None."""
        return next((product for product in self.products if product.slug == slug), None)

    def search(self, text: str) -> list[Product]:
        """The products in which every word of `text` occurs; none for an empty text."""
        words = text.lower().split()
        return [product for product in self.products if words and product.mentions(words)]


def load_catalogue(demo_dir: Path) -> Catalogue:
    """Read the catalogue as it stands on disk now; raises DemoFileError."""
    return read_toml(demo_dir / CATALOGUE_FILE, Catalogue)
