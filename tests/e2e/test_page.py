"""The third door: the page, in a real Chromium."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from playwright.async_api import expect

from meshwright.client import Mesh as Client
from meshwright.client import NotFound
from tests.model_script import Call, Fail, Hang, Say, in_order, in_turn
from tests.model_server import ModelServer
from tests.support.tcp_proxy import tcp_proxy
from tests.support.web_page import PATIENCE, WebPage, answer, call, chromium_browser, outcome
from tests.support.web_pages import web_pages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Locator

    from tests.support.mesh_process import MeshProcess

expect.set_options(timeout=PATIENCE)
WATCH = "**/meshwright.v1.AgentService/WatchSession"


# One Chromium for all tests of this file, and so one event loop.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium_browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def web(mesh: MeshProcess, browser: Browser) -> AsyncIterator[WebPage]:
    context = await browser.new_context()
    web = WebPage(await context.new_page())
    yield web
    await context.close()
    # A session keeps its browser for a while, and there are only so many.
    async with Client(mesh.address) as client:
        for session_id in web.sessions:
            with contextlib.suppress(NotFound):
                await client.session(session_id).delete()
    assert web.complaints == []


def lamp_task(mesh: MeshProcess) -> str:
    """The README's first task."""
    return f"Open {mesh.url}/demo/ and tell me what the desk lamp costs"


async def scripted_session(mesh: MeshProcess) -> str:
    """The address of a session whose model is the test's."""
    async with Client(mesh.address) as client:
        session = await client.create_session(model="openai:scripted")
    return f"{mesh.url}/sessions/{session.session_id}"


async def count_of(word: str, place: Locator) -> int:
    return (await place.inner_text()).count(word)


async def test_the_first_task_is_answered_with_the_price_on_the_page(mesh: MeshProcess, web: WebPage) -> None:
    await web.open(mesh.url)
    run = await web.send(lamp_task(mesh))
    await expect(answer(run)).to_contain_text("$49.00")
    await expect(call(run, f"browser.open {mesh.address}/demo/, succeeded")).to_be_visible()
    await expect(outcome(run)).to_have_text(re.compile(r"^[\d.]+ m?s · 1 tool call$"))
    await expect(web.page).to_have_url(re.compile(r"/sessions/ses_\w+$"))
    await expect(web.page.get_by_role("link", name=lamp_task(mesh)[:40])).to_have_attribute("aria-current", "page")
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


async def test_a_reload_in_the_middle_of_a_run_loses_nothing(mesh: MeshProcess, web: WebPage, model_port: int) -> None:
    async with web_pages() as pages:
        gated = pages.add("/gated", "The gate is open", gated=True)
        script = in_turn([Say("word " * 50), Call("browser.open", {"url": gated})], Say("word " * 50 + "end"))
        async with ModelServer(script, model_port):
            await web.open(await scripted_session(mesh))
            run = await web.send("Say a hundred words")
            remark = run.get_by_role("group", name="Remark")
            await pages.visited("/gated")
            await expect(remark).to_be_visible()
            for _ in range(2):
                await web.page.reload()
                await expect(web.stop).to_be_visible()
                await expect(run.get_by_role("button", name=re.compile("^browser.open .*, running$"))).to_be_visible()
                assert await count_of("word", remark) == 50
            pages.gates["/gated"].set()
            await expect(answer(run)).to_contain_text("end")
            await expect(outcome(run)).to_contain_text("1 tool call")
            assert await count_of("word", answer(run)) == await count_of("word", remark) == 50
    assert await web.page.get_by_role("article").count() == 1


async def test_a_lost_connection_is_told_and_comes_back_with_everything_that_happened(
    mesh: MeshProcess, web: WebPage
) -> None:
    async with tcp_proxy(mesh.address) as network, web_pages() as pages:
        gated = pages.add("/gated", "", title="The gate is open", gated=True)
        await web.open(f"http://{network.address}")
        run = await web.send(f"Open {gated}")
        await pages.visited("/gated")
        await web.page.route(WATCH, lambda route: route.abort("connectionrefused"))
        network.cut()
        await expect(web.page.get_by_text("Reconnecting")).to_be_visible()
        pages.gates["/gated"].set()
        await web.page.unroute(WATCH)
        await web.page.get_by_role("button", name="Try now").click()
        await expect(answer(run)).to_contain_text("The gate is open")
        await expect(web.page.get_by_text("Reconnecting")).to_have_count(0)
        await expect(outcome(run)).to_contain_text("1 tool call")


async def test_stop_ends_the_run_and_what_waits_goes_on(mesh: MeshProcess, web: WebPage, model_port: int) -> None:
    script = in_order([Say("Well, "), Hang()], Say("Done: then this"))
    async with ModelServer(script, model_port) as model:
        await web.open(await scripted_session(mesh))
        run = await web.send("Think")
        await expect(answer(run)).to_contain_text("Well,")
        waiting = await web.send("Then this")
        await expect(waiting).to_contain_text("Waits for its turn")
        await web.stop.click()
        await expect(outcome(run)).to_contain_text("Stopped")
        await expect(answer(waiting)).to_contain_text("Done: then this")
        await model.wait_abandoned(timeout=20)


async def test_a_task_that_waits_can_be_taken_back(mesh: MeshProcess, web: WebPage, model_port: int) -> None:
    async with ModelServer([Say("Well, "), Hang()], model_port):
        await web.open(await scripted_session(mesh))
        first = await web.send("Think")
        waiting = await web.send("Not this")
        await waiting.get_by_role("button", name="Remove the waiting task: Not this").click()
        await expect(outcome(waiting)).to_contain_text("Stopped")
        await web.stop.click()
        await expect(outcome(first)).to_contain_text("Stopped")


@pytest.mark.parametrize(
    ("failure", "advice"),
    [
        (Fail(401), "Check the API key"),
        (Fail(404, code="model_not_found"), "MESHWRIGHT_MODEL"),
        (Fail(429), "Wait a little"),
        (Fail(503), "in a moment"),
    ],
    ids=["wrong key", "unknown model", "rate limit", "down"],
)
async def test_a_model_that_fails_is_told_in_words_with_what_to_do(
    mesh: MeshProcess, web: WebPage, model_port: int, failure: Fail, advice: str
) -> None:
    async with ModelServer(failure, model_port):
        await web.open(await scripted_session(mesh))
        run = await web.send("Hello")
        await expect(outcome(run)).to_contain_text("Failed")
    await expect(outcome(run)).to_contain_text(advice)
    await expect(outcome(run).get_by_text("MODEL_")).not_to_be_visible()
    await outcome(run).get_by_text("Details").click()
    await expect(outcome(run).get_by_text("MODEL_")).to_be_visible()


async def test_what_the_model_writes_is_shown_as_text_and_never_as_a_page(
    mesh: MeshProcess, web: WebPage, model_port: int
) -> None:
    text = (
        'Hello <img src=x onerror="document.title=1"> <script>document.title=1</script>\n\n'
        "![a](http://127.0.0.1:1/a.png) [safe](http://localhost:1/) [not](javascript:document.title=1)"
    )
    async with ModelServer(Say(text), model_port):
        await web.open(await scripted_session(mesh))
        run = await web.send("Hello")
        await expect(outcome(run)).to_be_visible()
    await expect(answer(run).get_by_role("link", name="safe")).to_have_attribute("rel", re.compile("noopener"))
    await expect(answer(run).get_by_role("link", name="not")).to_have_count(0)
    assert await answer(run).locator("img, script, iframe").count() == 0
    assert "Meshwright" in await web.page.title()


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
