"""The third door: the page, in a real Chromium."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from meshwright.client import Mesh as Client
from tests.support.web_page import WebPage, answer, call, outcome
from tests.support.web_pages import web_pages

if TYPE_CHECKING:
    from tests.support.mesh_process import MeshProcess

# One Chromium for all tests of this file, and so one event loop.
pytestmark = pytest.mark.asyncio(loop_scope="module")


def lamp_task(mesh: MeshProcess) -> str:
    """The README's first task."""
    return f"Open {mesh.url}/demo/ and tell me what the desk lamp costs"


async def test_the_first_task_is_answered_with_the_price_on_the_page(mesh: MeshProcess, web: WebPage) -> None:
    await web.open(mesh.url)
    run = await web.send(lamp_task(mesh))
    await expect(answer(run)).to_contain_text("$49.00")
    await expect(call(run, f"browser.open {mesh.address}/demo/, succeeded")).to_be_visible()
    await expect(outcome(run)).to_have_text(re.compile(r"^[\d.]+ m?s · 1 tool call$"))
    await expect(web.page).to_have_url(re.compile(r"/sessions/ses_\w+$"))
    current = web.page.get_by_role("link").and_(web.page.locator("[aria-current=page]"))
    await expect(current).to_contain_text(lamp_task(mesh)[:40])
    await expect(web.stop).to_have_count(0)


@pytest.mark.usefixtures("dearer_lamp")
async def test_another_price_on_the_page_is_another_answer(mesh: MeshProcess, web: WebPage) -> None:
    await web.open(mesh.url)
    run = await web.send(lamp_task(mesh))
    await expect(answer(run)).to_contain_text("$57.25")


async def test_every_example_works(mesh: MeshProcess, web: WebPage) -> None:
    await web.open(mesh.url)
    examples = web.page.get_by_role("region", name="Example tasks").get_by_role("button")
    await expect(examples.first).to_be_visible()
    for task in [await button.inner_text() for button in await examples.all()]:
        await web.open(mesh.url)
        await examples.filter(has_text=task).click()
        run = web.run(task)
        await expect(outcome(run)).to_be_visible()
        await expect(outcome(run)).not_to_contain_text("Failed")


async def test_the_model_is_told_and_how_to_choose_another(mesh: MeshProcess, web: WebPage) -> None:
    await web.open(mesh.url)
    await expect(web.page.get_by_text("Model: offline planner")).to_be_visible()
    await web.page.get_by_text("Offline planner:").click()
    await expect(web.page.get_by_text("MESHWRIGHT_MODEL=openai:")).to_be_visible()


async def test_pages_and_files_asked_for_at_once_are_shown_side_by_side(mesh: MeshProcess, web: WebPage) -> None:
    await web.open(mesh.url)
    await outcome(await web.send("Write one to a.txt and write two to b.txt")).wait_for()
    async with web_pages() as pages:
        first, second = pages.add("/first", "First page", gated=True), pages.add("/second", "Second page", gated=True)
        run = await web.send(f"Open {first} and open {second} and read a.txt and read b.txt")
        host = first.removeprefix("http://").removesuffix("/first")
        step = run.get_by_role("region", name="Step 1: 4 tool calls")
        await expect(step.get_by_text("4 tool calls in parallel")).to_be_visible()
        await expect(call(run, f"browser.open {host}/first, running")).to_be_visible()
        await expect(call(run, f"browser.open {host}/second, running")).to_be_visible()
        await expect(call(run, "file.read a.txt, succeeded")).to_be_visible()
        await expect(call(run, "file.read b.txt, succeeded")).to_be_visible()
        pages.gates["/second"].set()
        await expect(call(run, f"browser.open {host}/second, succeeded")).to_be_visible()
        await expect(call(run, f"browser.open {host}/first, running")).to_be_visible()
        pages.gates["/first"].set()
        await expect(outcome(run)).to_contain_text("4 tool calls")


async def test_a_call_opens_to_tell_its_arguments_and_what_it_gave(mesh: MeshProcess, web: WebPage) -> None:
    await web.open(mesh.url)
    run = await web.send("Write hello to notes.txt and read notes.txt and read missing.txt")
    row = call(run, "file.read missing.txt, failed")
    await row.click()
    await expect(row).to_have_attribute("aria-expanded", "true")
    await expect(run.get_by_role("region", name="Arguments")).to_contain_text("missing.txt")
    await expect(run.get_by_text("There is no missing.txt.").first).to_be_visible()


async def test_a_screenshot_is_shown_and_opens_large(mesh: MeshProcess, web: WebPage) -> None:
    await web.open(mesh.url)
    run = await web.send(f"Take a screenshot of {mesh.url}/demo/")
    small = run.get_by_role("button", name=f"Enlarge: Screenshot of {mesh.url}/demo/")
    await small.get_by_role("img").wait_for()
    await small.click()
    dialog = web.page.get_by_role("dialog")
    large = dialog.get_by_role("img", name=f"Screenshot of {mesh.url}/demo/")
    await expect(large).to_be_visible()
    assert await large.evaluate("async (image) => { await image.decode(); return image.naturalWidth }") >= 1000
    await web.page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(small).to_be_focused()


async def test_a_session_is_deleted_only_after_asking(mesh: MeshProcess, web: WebPage) -> None:
    await web.open(mesh.url)
    await outcome(await web.send("List the files of this very session")).wait_for()
    await web.page.get_by_role("link", name="List the files of this very").hover()
    delete = web.page.get_by_role("button", name="Delete session: List the files of this very session")
    await delete.click()
    await web.page.get_by_role("button", name="Keep it").click()
    await expect(web.run("List the files of this very session")).to_be_visible()
    address = web.page.url
    await delete.click()
    await web.page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    await expect(web.page).to_have_url(f"{mesh.url}/")
    await expect(delete).to_have_count(0)
    await web.page.goto(address)
    await expect(web.page.get_by_role("alert")).to_contain_text("There is no such session.")


async def test_a_session_of_another_door_is_the_same_session(mesh: MeshProcess, web: WebPage) -> None:
    async with Client(mesh.address) as client:
        session = await client.create_session(title="Begun by a program")
        await session.ask("Write 42 to answer.txt")
        await web.open(f"{mesh.url}/sessions/{session.session_id}")
        await expect(web.page.get_by_role("heading", name="Begun by a program")).to_be_visible()
        await expect(outcome(web.run("Write 42 to answer.txt"))).to_be_visible()
        await session.ask("Read answer.txt")
        await expect(answer(web.run("Read answer.txt"))).to_contain_text("42")


async def test_on_a_phone_the_sessions_are_in_a_drawer(mesh: MeshProcess, web: WebPage) -> None:
    await web.page.set_viewport_size({"width": 390, "height": 844})
    await web.open(mesh.url)
    run = await web.send("List the files")
    await expect(outcome(run)).to_be_visible()
    assert await web.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await web.page.get_by_role("button", name="Sessions", exact=True).click()
    await web.page.get_by_role("dialog").get_by_role("link", name="New session").click()
    await expect(web.page).to_have_url(f"{mesh.url}/")
    await expect(web.page.get_by_role("dialog")).to_have_count(0)


async def test_the_keyboard_is_enough(mesh: MeshProcess, web: WebPage) -> None:
    await web.open(mesh.url)
    await web.page.keyboard.press("Tab")
    await expect(web.page.get_by_role("link", name="Skip to the task")).to_be_focused()
    await web.page.keyboard.press("Enter")
    await expect(web.task_field).to_be_focused()
    await web.page.keyboard.type("List the files")
    await web.page.keyboard.press("Shift+Enter")
    await web.page.keyboard.press("Backspace")
    await web.page.keyboard.press("Enter")
    await expect(outcome(web.run("List the files"))).to_be_visible()
    await expect(web.task_field).to_be_focused()
