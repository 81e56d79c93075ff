"""What customers say about the products, read from demo/reviews.toml."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from meshwright.site.shop.demo_file import read_toml

if TYPE_CHECKING:
    from pathlib import Path

REVIEWS_FILE = "reviews.toml"


class Review(BaseModel):
    """One customer's word on one product."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    product: str
    stars: int = Field(ge=1, le=5)
    author: str
    date: datetime.date
    text: str


class Reviews(BaseModel):
    """The whole of demo/reviews.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reviews: tuple[Review, ...] = Field(alias="review")


def load_reviews(demo_dir: Path) -> tuple[Review, ...]:
    """All reviews, newest first; raises DemoFileError."""
    reviews = read_toml(demo_dir / REVIEWS_FILE, Reviews).reviews
    return tuple(sorted(reviews, key=lambda review: review.date, reverse=True))
