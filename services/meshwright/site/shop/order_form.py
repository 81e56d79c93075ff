"""The order form: what a visitor may enter, and what is said about each wrong entry."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from meshwright.site.shop.cart import MAX_QUANTITY

if TYPE_CHECKING:
    from meshwright.site.shop.catalogue import Catalogue, Product, Shop

Delivery = Literal["standard", "express", "collect"]

DELIVERY_NAMES: dict[Delivery, str] = {
    "standard": "Standard delivery",
    "express": "Express delivery, next working day",
    "collect": "Collect from the showroom",
}

COMPLAINTS = {
    "name": "Enter your name, at most 80 characters.",
    "email": "Enter an email address such as ada@example.com.",
    "product": "Choose a product.",
    "quantity": f"Enter a quantity from 1 to {MAX_QUANTITY}.",
    "delivery": "Choose a way of delivery.",
    "message": "Keep the message under 500 characters.",
    "terms": "Accept the terms to place the order.",
}


class OrderForm(BaseModel):
    """A filled-in order form."""

    model_config = ConfigDict(frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=80)]
    email: Annotated[str, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
    product: Annotated[str, Field(min_length=1, max_length=64)]
    quantity: Annotated[int, Field(ge=1, le=MAX_QUANTITY)]
    delivery: Delivery
    gift_wrap: bool = False
    message: Annotated[str, Field(max_length=500)] = ""
    terms: Literal["on"]

    @property
    def delivery_name(self) -> str:
        """The chosen way of delivery in words."""
        return DELIVERY_NAMES[self.delivery]


class PlacedOrder:
    """An accepted order with what it costs."""

    def __init__(self, form: OrderForm, product: Product, shop: Shop) -> None:
        self.form = form
        self.product = product
        self.goods = product.price * form.quantity
        self.delivery = _delivery_fee(form.delivery, self.goods, shop)
        self.total = self.goods + self.delivery


def check_order(fields: dict[str, str], catalogue: Catalogue) -> PlacedOrder | dict[str, str]:
    """The order, or a complaint for each field that is wrong."""
    try:
        form = OrderForm.model_validate(fields)
    except ValidationError as error:
        wrong = [str(problem["loc"][0]) for problem in error.errors(include_url=False, include_input=False)]
        return {name: COMPLAINTS.get(name, "This entry is not understood.") for name in wrong}
    product = catalogue.find(form.product)
    if product is None:
        return {"product": COMPLAINTS["product"]}
    if form.quantity > product.stock:
        have = "It is sold out." if product.stock == 0 else f"Only {product.stock} are left."
        return {"quantity": f"{have} Choose another product or a smaller quantity."}
    return PlacedOrder(form, product, catalogue.shop)


def _delivery_fee(delivery: Delivery, goods: Decimal, shop: Shop) -> Decimal:
    if delivery == "collect":
        return Decimal(0)
    return shop.express_fee if delivery == "express" else shop.delivery(goods)
