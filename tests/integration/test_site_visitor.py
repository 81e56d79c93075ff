"""What a visitor of the demo shop enters: cart, order, sign-in; and what is not taken."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.support.site_server import SiteClient, served_site, visitor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ORDER = {
    "name": "Ada Lovelace",
    "email": "ada@example.com",
    "product": "desk-lamp",
    "quantity": "2",
    "delivery": "express",
    "gift_wrap": "on",
    "message": "Leave it\nwith the neighbour",
    "terms": "on",
}
FORMS = ["/demo/cart/add", "/demo/cart/update", "/demo/order", "/demo/login"]


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop_socket(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    async with served_site(tmp_path_factory.mktemp("shop")) as socket:
        yield socket


@pytest_asyncio.fixture(loop_scope="module")
async def shop(shop_socket: Path) -> AsyncIterator[SiteClient]:
    async with visitor(shop_socket) as client:
        yield client


async def test_the_cart_gathers_products_and_adds_delivery_up_to_a_limit(shop: SiteClient) -> None:
    added = await shop.post("/demo/cart/add", {"product": "desk-lamp", "quantity": "2"})
    small = await shop.get("/demo/cart")
    await shop.post("/demo/cart/add", {"product": "monitor-arm"})
    large = await shop.get("/demo/cart")

    assert (added.status, added.headers["Location"]) == (303, "/demo/cart")
    assert "Goods $98.00 Delivery $9.00 Total $107.00" in small.text
    assert "Goods $217.00 Delivery Free Total $217.00" in large.text
    assert "Cart 3" in large.text


async def test_quantities_in_the_cart_can_be_changed_and_taken_out(shop: SiteClient) -> None:
    await shop.post("/demo/cart/add", {"product": "desk-lamp"})
    await shop.post("/demo/cart/add", {"product": "desk-mat"})
    await shop.post("/demo/cart/update", {"product": "desk-lamp", "quantity": "3"})
    changed = await shop.get("/demo/cart")
    await shop.post("/demo/cart/update", {"product": "desk-lamp", "quantity": "0"})
    removed = await shop.get("/demo/cart")
    await shop.post("/demo/cart/empty", {})
    emptied = await shop.get("/demo/cart")

    assert "Goods $182.00" in changed.text
    assert "Goods $35.00" in removed.text
    assert "There is nothing in it yet" in emptied.text


async def test_a_script_adds_to_the_cart_and_gets_the_numbers(shop: SiteClient) -> None:
    form = {"product": "standing-desk", "quantity": "5"}
    first = await shop.post("/demo/cart/add", form, headers={"Accept": "application/json"})
    beyond_stock = await shop.post("/demo/cart/add", form, headers={"Accept": "application/json"})

    assert json.loads(first.body) == {"product": "Standing desk", "added": 5, "in_cart": 5, "count": 5}
    assert json.loads(beyond_stock.body) == {"product": "Standing desk", "added": 2, "in_cart": 7, "count": 7}


async def test_an_order_is_confirmed_with_what_was_entered_and_what_it_costs(shop: SiteClient) -> None:
    answer = await shop.post("/demo/order", ORDER)

    assert answer.status == 200
    for seen in (
        "Thank you, Ada Lovelace",
        "Product Desk lamp",
        "Quantity 2",
        "Goods $98.00",
        "Delivery Express delivery, next working day, $19.00",
        "Total $117.00",
        "Wrapped as a present Yes",
        "Email ada@example.com",
        "Message Leave it with the neighbour",
    ):
        assert seen in answer.text


@pytest.mark.parametrize(
    ("delivery", "quantity", "total"),
    [
        ("standard", "1", "$58.00"),
        ("standard", "4", "$196.00"),
        ("express", "4", "$215.00"),
        ("collect", "1", "$49.00"),
    ],
)
async def test_the_way_of_delivery_decides_what_an_order_costs(
    shop: SiteClient, delivery: str, quantity: str, total: str
) -> None:
    answer = await shop.post("/demo/order", ORDER | {"delivery": delivery, "quantity": quantity})

    assert f"Total {total}" in answer.text


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ({"name": " "}, "Enter your name"),
        ({"name": "x" * 81}, "Enter your name"),
        ({"email": "ada at example"}, "Enter an email address"),
        ({"product": ""}, "Choose a product."),
        ({"product": "time-machine"}, "Choose a product."),
        ({"product": "footrest"}, "It is sold out."),
        ({"product": "bookshelf", "quantity": "6"}, "Only 5 are left."),
        ({"quantity": "0"}, "Enter a quantity from 1 to 20."),
        ({"quantity": "21"}, "Enter a quantity from 1 to 20."),
        ({"quantity": "many"}, "Enter a quantity from 1 to 20."),
        ({"delivery": "drone"}, "Choose a way of delivery."),
        ({"message": "x" * 501}, "Keep the message under 500 characters."),
        ({"terms": ""}, "Accept the terms"),
    ],
)
async def test_a_wrong_entry_is_complained_about_and_the_rest_is_kept(
    shop: SiteClient, entry: dict[str, str], complaint: str
) -> None:
    answer = await shop.post("/demo/order", ORDER | {"message": "kept"} | entry)

    assert answer.status == 422
    assert "The order was not placed: 1 entry needs another look." in answer.text
    assert complaint in answer.text
    if "name" not in entry:
        assert 'value="Ada Lovelace"' in answer.body


async def test_what_is_entered_is_escaped_in_confirmation_and_complaint(shop: SiteClient) -> None:
    attack = '"><img src=x onerror=alert(1)>'
    confirmed = await shop.post("/demo/order", ORDER | {"name": attack, "message": attack})
    refused = await shop.post("/demo/order", ORDER | {"name": attack, "message": attack, "email": attack})
    login = await shop.post("/demo/login", {"user": attack, "password": "x"})

    for answer, status in ((confirmed, 200), (refused, 422), (login, 403)):
        assert answer.status == status
        assert "<img src=x" not in answer.body
        assert "&lt;img src=x" in answer.body


async def test_the_demo_customer_signs_in_sees_the_orders_and_signs_out(shop: SiteClient) -> None:
    before = await shop.get("/demo/account")
    login = await shop.post("/demo/login", {"user": "demo", "password": "demo"})
    account = await shop.get("/demo/account")
    logout = await shop.post("/demo/logout")
    after = await shop.get("/demo/account")

    assert (before.status, before.headers["Location"]) == (303, "/demo/login")
    assert (login.status, login.headers["Location"]) == (303, "/demo/account")
    assert "Welcome back, demo" in account.text
    assert "HD-0986 30 June 2025 1 \u00d7 Standing desk , 1 \u00d7 Office chair Delivered $768.00" in account.text
    assert (logout.status, after.status) == (303, 303)


@pytest.mark.parametrize("form", [{"user": "demo", "password": "wrong"}, {"user": "root", "password": "demo"}, {}])
async def test_a_wrong_sign_in_gets_a_message_and_no_account(shop: SiteClient, form: dict[str, str]) -> None:
    login = await shop.post("/demo/login", form, headers={"Content-Type": "application/x-www-form-urlencoded"})
    account = await shop.get("/demo/account")

    assert login.status == 403
    assert "This name and password do not go together." in login.text
    assert account.status == 303


async def test_the_cookie_is_signed_bound_to_the_shop_and_hidden_from_scripts(shop: SiteClient) -> None:
    login = await shop.post("/demo/login", {"user": "demo", "password": "demo"})
    cookie = login.headers["Set-Cookie"]
    name, _, value = cookie.split(";")[0].partition("=")
    flipped = value[:5] + ("A" if value[5] != "A" else "B") + value[6:]
    page = await shop.get("/")
    shop.forget_cookies()
    genuine = await shop.get("/demo/account", headers={"Cookie": f"{name}={value}"})
    forged = await shop.get("/demo/account", headers={"Cookie": f"{name}={flipped}"})

    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"path=/demo", "httponly", "samesite=lax"} <= attributes
    assert (genuine.status, forged.status) == (200, 303)
    assert "Set-Cookie" not in page.headers


async def test_a_full_cart_fits_into_a_cookie(shop: SiteClient) -> None:
    catalogue = await shop.get("/demo/price-list.csv")
    slugs = [line.split(",")[0].lower().replace(" ", "-") for line in catalogue.body.splitlines()[1:]]
    for slug in slugs:
        answer = await shop.post("/demo/cart/add", {"product": slug, "quantity": "20"})

    assert len(answer.headers["Set-Cookie"]) < 4096


@pytest.mark.parametrize("path", FORMS)
async def test_an_oversized_form_is_refused_without_reading_it_all(shop: SiteClient, path: str) -> None:
    answer = await shop.post(path, {"message": "x" * 20_000})

    assert answer.status == 413


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"a=1", "application/json", 415),
        (b"--x\r\n", "multipart/form-data; boundary=x", 415),
        (b"name=%FF", "application/x-www-form-urlencoded", 400),
        (b"name=\xff", "application/x-www-form-urlencoded", 400),
        (b"name=%00", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"f%d=1" % number for number in range(40)), "application/x-www-form-urlencoded", 400),
    ],
)
@pytest.mark.parametrize("path", FORMS)
async def test_what_is_not_a_form_is_refused(
    shop: SiteClient, path: str, body: bytes, content_type: str, status: int
) -> None:
    answer = await shop.request("POST", path, data=body, headers={"Content-Type": content_type})

    assert answer.status == status


@pytest.mark.parametrize(
    "form",
    [
        {"product": "time-machine"},
        {"product": "desk-lamp", "quantity": "0"},
        {"product": "desk-lamp", "quantity": "21"},
        {"product": "desk-lamp", "quantity": "-1"},
        {"product": "desk-lamp", "quantity": "²"},
        {"product": "desk-lamp", "quantity": "9" * 500},
        {"quantity": "1"},
    ],
)
async def test_the_cart_refuses_products_and_quantities_that_do_not_exist(
    shop: SiteClient, form: dict[str, str]
) -> None:
    answer = await shop.post("/demo/cart/add", form)
    cart = await shop.get("/demo/cart")

    assert answer.status == 400
    assert "There is nothing in it yet" in cart.text


async def test_a_form_that_is_cut_off_harms_nobody(shop: SiteClient, shop_socket: Path) -> None:
    _, writer = await asyncio.open_unix_connection(shop_socket)
    writer.write(
        b"POST /demo/order HTTP/1.1\r\nHost: site.test\r\nContent-Length: 100\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\nname=Ada"
    )
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    assert (await shop.get("/demo/order")).status == 200


@pytest.mark.parametrize("path", [*FORMS[:2], "/demo/logout", "/demo/cart/empty"])
async def test_what_changes_something_is_not_done_by_a_link(shop: SiteClient, path: str) -> None:
    assert (await shop.get(path)).status == 405
