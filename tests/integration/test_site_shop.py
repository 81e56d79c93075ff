"""The demo shop's pages for looking around, and that they always show what its files say now."""

from __future__ import annotations

import asyncio
import csv
import re
import time
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from meshwright.site.shop.catalogue import Product, load_catalogue
from tests.support.site_server import SHIPPED_DEMO, SiteClient, copied_demo, edit, running_site, served_site, visitor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

CATALOGUE = load_catalogue(SHIPPED_DEMO)


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop_socket(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    async with served_site(tmp_path_factory.mktemp("shop")) as socket:
        yield socket


@pytest_asyncio.fixture(loop_scope="module")
async def shop(shop_socket: Path) -> AsyncIterator[SiteClient]:
    async with visitor(shop_socket) as client:
        yield client


@pytest.fixture
def demo_dir(tmp_path: Path) -> Path:
    return copied_demo(tmp_path)


@pytest_asyncio.fixture(loop_scope="module")
async def edited_shop(tmp_path: Path, demo_dir: Path) -> AsyncIterator[SiteClient]:
    async with running_site(tmp_path, site_demo_dir=demo_dir) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("/demo/", "Good things for the room you work in"),
        ("/demo/?category=Storage", "Filing cabinet"),
        ("/demo/products/standing-desk", "Solid oak, powder-coated steel"),
        ("/demo/compare", "Prices, stock and delivery of all 10 products"),
        ("/demo/search", "Enter a word"),
        ("/demo/search?q=oak", "1 result for “oak”"),
        ("/demo/search?q=LIGHT+brass", "Desk lamp"),
        ("/demo/search?q=xylophone", "Nothing found for “xylophone”"),
        ("/demo/reviews", "Page 1 of 3"),
        ("/demo/reviews?page=3", "Page 3 of 3"),
        ("/demo/help", "You have 30 days"),
        ("/demo/showroom", "Book a visit"),
        ("/demo/size-guide", "Heights that suit a person"),
        ("/demo/slow?seconds=0", "took 0 seconds"),
        ("/demo/cart", "There is nothing in it yet"),
        ("/demo/order", "Place order"),
        ("/demo/login", "The demo customer's name is demo"),
    ],
)
async def test_each_page_shows_its_content_and_is_never_cached(shop: SiteClient, path: str, seen: str) -> None:
    answer = await shop.get(path)

    assert answer.status == 200
    assert seen in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("product", CATALOGUE.products, ids=lambda product: product.slug)
async def test_each_product_is_shown_with_price_picture_and_specification(shop: SiteClient, product: Product) -> None:
    page = await shop.get(f"/demo/products/{product.slug}")
    picture = await shop.get(f"/demo/static/pictures/{product.slug}.svg")

    assert f"{product.name} {product.summary} ${product.price}" in page.text
    assert all(f"{name} {value}" in page.text for name, value in product.specifications.items())
    assert f'alt="{product.picture_alt}"' in page.body
    assert picture.headers["Content-Type"] == "image/svg+xml"


@pytest.mark.parametrize(
    "path",
    [
        "/demo/",
        "/demo/products/desk-lamp",
        "/demo/compare",
        "/demo/search?q=lamp",
        "/demo/order",
        "/demo/price-list.csv",
    ],
)
async def test_a_price_edited_in_the_catalogue_shows_on_the_next_request(
    edited_shop: SiteClient, demo_dir: Path, path: str
) -> None:
    before = await edited_shop.get(path)
    edit(demo_dir / "catalogue.toml", "price = 49.00", "price = 1234.50")
    after = await edited_shop.get(path)

    assert "49.00" in before.text
    assert "1234.50" not in before.text
    assert "49.00" not in after.text
    assert ("1234.50" if path.endswith(".csv") else "$1,234.50") in after.text


async def test_an_edited_page_template_shows_on_the_next_request(edited_shop: SiteClient, demo_dir: Path) -> None:
    before = await edited_shop.get("/demo/help")
    edit(demo_dir / "help.html", "<strong>30 days</strong>", "<strong>45 days</strong>")
    after = await edited_shop.get("/demo/help")

    assert "You have 30 days" in before.text
    assert "You have 45 days" in after.text


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        ("catalogue.toml", "price = 49.00", "price = ", "catalogue.toml needs mending. Invalid value (at line"),
        ("catalogue.toml", "price = 49.00", "price = -1", "product > 0 > price: Input should be greater than or equal"),
        ("catalogue.toml", "price = 49.00", "prize = 49.00", "product > 0 > price: Field required"),
        ("catalogue.toml", 'slug = "desk-mat"', 'slug = "desk-lamp"', "slug used twice: desk-lamp"),
        (
            "home.html",
            "{% if not category %}\n<section",
            "{% if category %\n<section",
            "home.html needs mending. line 6",
        ),
        (
            "home.html",
            "{{ products | length }} things",
            "{{ produce }} things",
            "home.html needs mending. 'produce' is",
        ),
        (
            "home.html",
            "product_cards.html",
            "product_tiles.html",
            "product_tiles.html needs mending. the file is missing",
        ),
    ],
)
async def test_a_file_broken_by_an_edit_says_what_to_mend_and_works_again_once_mended(
    edited_shop: SiteClient, demo_dir: Path, file: str, old: str, new: str, complaint: str
) -> None:
    whole = (demo_dir / file).read_text()
    edit(demo_dir / file, old, new)
    broken = await edited_shop.get("/demo/")
    (demo_dir / file).write_text(whole)
    mended = await edited_shop.get("/demo/")

    assert broken.status == 500
    assert complaint in broken.text
    assert mended.status == 200


async def test_a_file_that_is_gone_or_not_text_is_named(edited_shop: SiteClient, demo_dir: Path) -> None:
    (demo_dir / "reviews.toml").unlink()
    (demo_dir / "catalogue.toml").rename(demo_dir / "catalogue.was")
    gone = await edited_shop.get("/demo/")
    (demo_dir / "catalogue.toml").write_bytes(b"\xff\xfe")
    not_text = await edited_shop.get("/demo/")
    (demo_dir / "catalogue.toml").unlink()
    (demo_dir / "catalogue.toml").mkdir()
    folder = await edited_shop.get("/demo/")
    (demo_dir / "catalogue.toml").rmdir()
    (demo_dir / "catalogue.was").replace(demo_dir / "catalogue.toml")
    without_reviews = [await edited_shop.get("/demo/reviews"), await edited_shop.get("/demo/")]

    assert "catalogue.toml needs mending. the file is missing" in gone.text
    assert "catalogue.toml needs mending. the file is not UTF-8 text" in not_text.text
    assert "catalogue.toml needs mending. the file cannot be read: Is a directory" in folder.text
    assert [answer.status for answer in without_reviews] == [500, 200]


async def test_a_fault_shows_an_id_that_is_in_the_log_and_nothing_else(
    edited_shop: SiteClient, demo_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    edit(demo_dir / "help.html", "<strong>30 days</strong>", "{{ 1 / 0 }}")
    answer = await edited_shop.get("/demo/help")

    error_id = re.search(r"[0-9a-f]{32}", answer.text)
    assert answer.status == 500
    assert error_id is not None
    assert f"GET '/demo/help' failed, error id {error_id[0]}" in caplog.text
    assert "division" not in answer.body


@pytest.mark.parametrize(
    ("sort", "first", "last"),
    [
        ("name", "Bookshelf", "Standing desk"),
        ("price", "Plant pot", "Standing desk"),
        ("stock", "Footrest", "Desk mat"),
        ("delivery_days", "Desk lamp", "Footrest"),
    ],
)
async def test_the_price_table_sorts_by_a_column(shop: SiteClient, sort: str, first: str, last: str) -> None:
    text = (await shop.get(f"/demo/compare?sort={sort}")).text

    places = {product.name: text.index(f" {product.name} {product.category} ") for product in CATALOGUE.products}
    assert (min(places, key=places.__getitem__), max(places, key=places.__getitem__)) == (first, last)


async def test_every_review_is_on_exactly_one_page(shop: SiteClient) -> None:
    pages = [(await shop.get(f"/demo/reviews?page={number}")).body for number in (1, 2, 3)]

    assert [page.count('class="review"') for page in pages] == [6, 6, 4]
    assert "Next page" not in pages[-1]
    assert "Previous page" not in pages[0]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/demo/nowhere", 404),
        ("/demo/products/time-machine", 404),
        ("/demo/products/", 404),
        ("/demo/?category=Weapons", 404),
        ("/demo/reviews?page=0", 404),
        ("/demo/reviews?page=4", 404),
        ("/demo/reviews?page=-1", 404),
        ("/demo/reviews?page=%D9%A1", 404),
        ("/demo/reviews?page=99999999999999999999", 404),
        ("/demo/compare?sort=__class__", 400),
        ("/demo/slow?seconds=11", 400),
        ("/demo/slow?seconds=-1", 400),
        ("/demo/slow?seconds=nan", 400),
        ("/demo/slow?seconds=1e9", 400),
        ("/demo/search?q=" + "a" * 101, 400),
        ("/demo/search?q=" + "a" * 3000, 414),
        ("/demo/search?q=%FF", 400),
        ("/demo/search?q=%00", 400),
        ("/demo/search?" + "&".join(f"f{number}=1" for number in range(40)), 400),
        ("/demo/static/../catalogue.toml", 404),
        ("/demo/static/%2e%2e/catalogue.toml", 404),
        ("/demo/catalogue.toml", 404),
        ("/demo/layout.html", 404),
    ],
)
async def test_what_the_shop_does_not_have_or_take_is_refused_with_a_page(
    shop: SiteClient, path: str, status: int
) -> None:
    answer = await shop.get(path)

    assert answer.status == status
    assert "<h1>" in answer.body
    assert "Traceback" not in answer.body


async def test_what_a_visitor_searches_for_is_escaped(shop: SiteClient) -> None:
    answer = await shop.get("/demo/search?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")

    assert "<script>alert" not in answer.body
    assert "Nothing found for “&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;”" in answer.body
    assert 'value="&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"' in answer.body


async def test_the_price_list_downloads_as_csv(shop: SiteClient) -> None:
    answer = await shop.get("/demo/price-list.csv")

    rows = list(csv.DictReader(answer.body.splitlines()))
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="price-list.csv"'
    assert {row["product"]: Decimal(row["price"]) for row in rows} == {p.name: p.price for p in CATALOGUE.products}


async def test_the_slow_page_takes_as_long_as_asked_and_holds_nobody_else_up(shop: SiteClient) -> None:
    began = time.monotonic()
    slow = asyncio.create_task(shop.get("/demo/slow"))
    other = await shop.get("/demo/")
    other_took = time.monotonic() - began

    assert "took 2 seconds" in (await slow).text
    assert time.monotonic() - began >= 2
    assert (other.status, other_took < 2) == (200, True)


async def test_the_address_without_a_slash_leads_to_the_shop(shop: SiteClient) -> None:
    answer = await shop.get("/demo", headers={"Host": "evil.test"})

    assert (answer.status, answer.headers["Location"]) == (308, "/demo/")
