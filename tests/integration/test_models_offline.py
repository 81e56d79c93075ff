"""The offline planner doing the tasks that the README suggests: real tools, a real Chromium, the real demo shop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.support.offline_mesh import OfflineMesh, offline_mesh
from tests.support.site_server import copied_demo, edit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OfflineMesh]:
    folder = tmp_path_factory.mktemp("offline")
    async with offline_mesh(folder, copied_demo(folder)) as mesh:
        yield mesh


async def test_the_price_is_the_one_on_the_page_and_changes_with_it(mesh: OfflineMesh) -> None:
    task = f"Open {mesh.shop_url} and tell me what the desk lamp costs"
    async with mesh.session() as session:
        assert "**$49.00**" in await session.say(task)
        edit(mesh.folder / "demo/catalogue.toml", "price = 49.00", "price = 52.75")
        answer = await session.say(task)
        edit(mesh.folder / "demo/catalogue.toml", "price = 52.75", "price = 49.00")
    assert "**$52.75**" in answer
    assert "$49.00" not in answer
    assert mesh.shop_url in answer


async def test_prices_are_compared_side_by_side(mesh: OfflineMesh) -> None:
    async with mesh.session() as session:
        answer = await session.say("Compare the prices of the lamp and the desk in the demo shop")
    assert "| Desk lamp | $49.00 |" in answer
    assert "| Standing desk | $489.00 |" in answer
    assert "**Desk lamp** is cheaper, by **$440.00**" in answer


async def test_two_pages_and_two_files_are_asked_for_in_one_step(mesh: OfflineMesh) -> None:
    async with mesh.session() as session:
        await session.say('write "The lamp stands in the hall." to a.txt and write "Call Ada." to b.txt')
        answer = await session.say(f"Open {mesh.shop_url} and {mesh.shop_url}help, and read a.txt and b.txt")
        assert [sorted(tool for tool, _ in step) for step in session.steps] == [
            ["browser.open", "browser.open", "file.read", "file.read"]
        ]
    for said in ("Desk lamp", "Help and returns", "The lamp stands in the hall.", "Call Ada."):
        assert said in answer


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("What's the weight of the desk lamp in the demo shop?", "1.6 kg"),
        ("In the demo shop, how long can I return things?", "30 days"),
        ("What's the cheapest thing in the demo shop?", "$24.90"),
        ("How many office chairs are in stock in the demo shop?", "12 in stock"),
        ("Compare {shop}products/desk-lamp and {shop}products/office-chair", "**$230.00**"),
        ("Open {shop}compare and tell me the warranty of the monitor arm", "Warranty: 5 years"),
        ("Open {shop} and tell me the title", "Catalogue"),
        ("Open {shop} and list the products", "- Footrest: $42.00"),
        (
            "How much would a desk lamp and an office chair cost together in the demo shop?",
            "Together they cost **$328.00**",
        ),
        ("Open the demo shop, find the desk lamp and tell me its price", "**$49.00**"),
        ("Find the cheapest thing in the demo shop and add it to the cart", "Clicked “Add to cart”"),
        ("Log in to the demo shop as demo with password demo", "Welcome back, demo"),
        ("Search the demo shop for chair", "Office chair"),
        ("Add the desk lamp to the cart", "There is 1 in your cart"),
        ("Open {shop} and click Help and returns and tell me what express delivery costs", "$19.00"),
        ("Open {shop}order, choose Desk lamp in the Product list and type Ada into Name", "Chose “Desk lamp"),
        ("Open {shop} and take a screenshot", "Took a screenshot"),
        ("Open {shop} and click Help and returns and go back", "Went back"),
    ],
)
async def test_a_task_is_done_and_its_answer_is_on_the_page(mesh: OfflineMesh, task: str, said: str) -> None:
    async with mesh.session() as session:
        assert said in await session.say(task.format(shop=mesh.shop_url))


async def test_an_answer_goes_to_a_file_and_is_read_back(mesh: OfflineMesh) -> None:
    async with mesh.session() as session:
        await session.say("Open the demo shop and write the price of the desk lamp to price.txt, then read price.txt")
        assert [step[0][0] for step in session.steps] == ["browser.open", "file.write", "file.read"]
        assert "Desk lamp: $49.00" in await session.say("read price.txt")


async def test_documents_are_searched_and_quoted_with_their_place(mesh: OfflineMesh) -> None:
    async with mesh.session() as session:
        await session.say('write "Refunds take five working days." to policy.txt')
        assert "policy.txt:1" in await session.say("Search for refunds in the documents")
        assert "five working days" in await session.say("What do my documents say about refunds?")
        assert "policy.txt" in await session.say("list the files")


async def test_a_later_task_goes_on_with_the_page_that_is_open(mesh: OfflineMesh) -> None:
    async with mesh.session() as session:
        await session.say("open the demo shop")
        assert "$279.00" in await session.say("how much is the office chair?")
        await session.say("click Help and returns")
        assert "30 days" in await session.say("what does the page say about returns?")


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("What does a piano cost in the demo shop?", "I could not find the price of “piano”"),
        ("open file:///etc/passwd", "I could not open file:///etc/passwd"),
        ("read ../../etc/passwd", "I could not read `../../etc/passwd`"),
        ("read nothing.txt", "I could not read `nothing.txt`"),
        ("open {shop}nowhere", "HTTP 404"),
        ("open {shop} and click the Rocket button", "I could not click “Rocket”"),
        ("open {shop} and type x into the Rocket field", "I could not type into “Rocket”"),
        ("click Sign in", "no page is open"),
    ],
)
async def test_what_cannot_be_done_is_said_plainly(mesh: OfflineMesh, task: str, said: str) -> None:
    async with mesh.session() as session:
        assert said in await session.say(task.format(shop=mesh.shop_url))


async def test_one_failure_does_not_spoil_the_rest(mesh: OfflineMesh) -> None:
    async with mesh.session() as session:
        answer = await session.say(f"read nothing.txt and open {mesh.shop_url} and tell me what the desk lamp costs")
    assert "$49.00" in answer
    assert "I could not read `nothing.txt`" in answer
