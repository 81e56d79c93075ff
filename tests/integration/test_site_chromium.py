"""The demo shop in a real Chromium, read by ARIA roles as an agent reads it."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import async_playwright, expect

from meshwright.browser import chromium
from meshwright.serving.address import Address
from meshwright.site.run import serve_site
from meshwright.site.settings import SiteSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Dialog, Page

PAGES = [
    "/demo/",
    "/demo/products/desk-lamp",
    "/demo/compare",
    "/demo/reviews",
    "/demo/showroom",
    "/demo/order",
    "/demo/help",
    "/demo/login",
    "/demo/cart",
    "/demo/size-guide",
]


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """A page of the running site; the test fails if the browser complains about anything."""
    found = chromium.find()
    assert found is not None, "Chromium is missing: run `make chromium`"
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    complaints: list[str] = []
    async with (
        serve_site(SiteSettings.load(listen=Address("127.0.0.1", 0))) as address,
        async_playwright() as playwright,
    ):
        browser = await playwright.chromium.launch(executable_path=str(found.path), args=arguments)
        context = await browser.new_context(base_url=f"http://{address}", viewport={"width": 390, "height": 844})
        context.set_default_timeout(10_000)
        page = await context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.extend(_foreign(request.url, str(address))))
        yield page
        await browser.close()
    assert complaints == []


def _foreign(url: str, address: str) -> list[str]:
    return [] if url.startswith((f"http://{address}/", "data:", "blob:")) else [f"request to {url}"]


async def test_a_visitor_signs_in_orders_and_reads_the_table_by_roles(page: Page) -> None:
    await page.goto("/demo/")
    await page.get_by_role("link", name="Sign in").click()
    await page.get_by_label("User name").fill("demo")
    await page.get_by_label("Password").fill("demo")
    await page.get_by_role("button", name="Sign in").click()
    orders = page.get_by_role("table", name="Your orders")
    await expect(page.get_by_role("heading", name="Welcome back, demo")).to_be_visible()
    await expect(orders.get_by_role("row", name=re.compile("HD-1021.*Desk lamp.*Delivered"))).to_be_visible()
    await expect(orders.get_by_role("columnheader")).to_have_text(["Order", "Date", "Products", "Status", "Total"])

    await page.get_by_role("link", name="Order by form").click()
    await page.get_by_label("Name", exact=True).fill("Ada Lovelace")
    await page.get_by_label("Email").fill("ada@example.com")
    await page.get_by_label("Product").select_option(label="Office chair, $279.00")
    await page.get_by_label("Quantity").fill("2")
    await page.get_by_role("radio", name="Collect from the showroom").check()
    await page.get_by_role("checkbox", name="I accept").check()
    await page.get_by_role("button", name="Place order").click()
    await expect(page.get_by_role("heading", name="Thank you, Ada Lovelace")).to_be_visible()
    await expect(page.get_by_role("table").get_by_role("row", name="Total")).to_have_text(re.compile(r"\$558\.00"))


async def test_the_catalogue_reads_well_in_an_aria_snapshot(page: Page) -> None:
    await page.goto("/demo/")
    snapshot = await page.get_by_role("main").aria_snapshot()

    for line in (
        '- heading "Good things for the room you work in" [level=1]',
        '- heading "Desk lamp" [level=3]',
        "- strong: $49.00",
        '- img "Desk lamp with a green shade on a brass arm"',
    ):
        assert line in snapshot
    assert len((await page.locator("body").aria_snapshot()).encode()) < 8 * 1024


async def test_the_cart_counts_in_place_and_its_total_follows_the_quantity(page: Page) -> None:
    await page.goto("/demo/products/desk-mat")
    await page.get_by_label("Quantity").fill("2")
    await page.get_by_role("button", name="Add to cart").click()
    await expect(page.get_by_role("status")).to_have_text("Added 2 \u00d7 Desk mat. There are 2 in your cart.")
    await page.get_by_role("link", name="Cart 2").click()
    await page.get_by_label("Quantity of Desk mat").fill("4")
    await expect(page.get_by_role("status")).to_have_text("$149.00")
    await page.get_by_role("button", name="Update").click()
    await expect(page.get_by_role("link", name="Cart 4")).to_be_visible()
    await page.get_by_role("button", name="Remove Desk mat").click()
    await expect(page.get_by_text("There is nothing in it yet.")).to_be_visible()


async def test_the_showroom_has_dialogs_a_window_and_a_download(page: Page) -> None:
    answers = iter(["HEARTH10", None, None])

    async def answer(dialog: Dialog) -> None:
        reply = next(answers)
        await (dialog.accept(reply) if reply else dialog.accept())

    page.on("dialog", answer)
    await page.goto("/demo/showroom")
    await page.get_by_role("button", name="Book a visit").click()
    visit = page.get_by_role("dialog", name="Book a visit")
    await visit.get_by_label("Your name").fill("Ada")
    await visit.get_by_label("Day").select_option("Friday")
    await visit.get_by_role("button", name="Book", exact=True).click()
    await expect(page.get_by_text("See you on Friday, Ada.")).to_be_visible()

    await page.get_by_role("button", name="Enter a voucher").click()
    await expect(page.get_by_text("Voucher accepted: 10% off your next order.")).to_be_visible()
    await page.get_by_role("button", name="Send me swatches").click()
    await expect(page.get_by_text("Five swatches are on their way.")).to_be_visible()

    async with page.expect_popup() as opening:
        await page.get_by_role("link", name="Open the size guide").click()
    popup = await opening.value
    await expect(popup.get_by_role("heading", name="Size guide")).to_be_visible()

    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="Download the price list").click()
    assert (await downloading.value).suggested_filename == "price-list.csv"


async def test_no_page_is_wider_than_a_telephone(page: Page) -> None:
    widths = {}
    await page.goto("/demo/products/laptop-stand")
    await page.get_by_role("button", name="Add to cart").click()
    await expect(page.get_by_role("link", name="Cart 1")).to_be_visible()
    for path in PAGES:
        await page.goto(path)
        widths[path] = await page.evaluate("document.documentElement.scrollWidth")

    assert widths == dict.fromkeys(PAGES, 390)
