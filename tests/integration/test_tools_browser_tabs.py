"""Tabs of the browser.* tools, against a real browser service and a real Chromium: which a call means, which come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from meshwright.v1 import tool_pb2
from tests.support.tool_mesh import ToolMesh, ref_of, tool_mesh
from tests.support.tool_stream import ToolStream, failure, structured

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


pytestmark = pytest.mark.asyncio(loop_scope="module")

SUCCEEDED = tool_pb2.TOOL_OUTCOME_SUCCEEDED


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ToolMesh]:
    async with tool_mesh(tmp_path_factory.mktemp("mesh")) as running:
        running.pages.add("/desk", "<h1>Oak desk</h1><a href='/lamp'>Lamp</a>", title="Desk")
        running.pages.add("/lamp", "<h1>Desk lamp</h1><p>39.90</p><a href='/desk'>To the desk</a>", title="Lamp")
        running.pages.add("/form", "<form></form>", title="Form")
        running.pages.add("/gate-a", "gate a", title="A", gated=True)
        running.pages.add("/gate-b", "gate b", title="B", gated=True)
        running.pages.add("/popup", "<button onclick=\"window.open('/desk')\">Pop</button>", title="Popup")
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def stream(mesh: ToolMesh) -> AsyncIterator[ToolStream]:
    async with mesh.stream() as opened:
        yield opened


async def test_pages_opened_in_one_step_load_at_once_in_tabs_of_their_own_while_files_are_read(
    mesh: ToolMesh,
) -> None:
    """Neither page answers before both were asked for and both files were read: only calls that overlap get through."""
    async with mesh.tools.stream() as stream:
        await stream.run("file.write", {"path": "a.txt", "content": "a"})
        opens = [stream.call("browser.open", {"url": mesh.pages.url + path}) for path in ("/gate-a", "/gate-b")]
        reads = [stream.call("file.read", {"path": "a.txt"}) for _ in range(2)]
        await mesh.pages.visited("/gate-a")
        await mesh.pages.visited("/gate-b")
        for call in reads:
            assert (await stream.completion(call)).outcome == SUCCEEDED
        for path in ("/gate-a", "/gate-b"):
            mesh.pages.gates[path].set()
        done = [await stream.completion(call) for call in opens]
        tabs = structured(await stream.run("browser.tabs"))["tabs"]

    started = [f.call_started.call_id for f in stream.frames if f.HasField("call_started")]
    finished = [f.call_finished.call_id for f in stream.frames if f.HasField("call_finished")]
    assert set(started[1:5]) == {*opens, *reads}
    assert finished.index(reads[1]) < finished.index(opens[0])
    assert {structured(completion)["tab"] for completion in done} == {"t1", "t2"}
    assert sorted(tab["title"] for tab in tabs) == ["A", "B"]


async def test_a_named_tab_is_used_again(stream: ToolStream, mesh: ToolMesh) -> None:
    await mesh.visit(stream, "/lamp")
    await mesh.visit(stream, "/form")
    again = await stream.run("browser.open", {"url": f"{mesh.pages.url}/desk", "tab": "t1"})
    tabs = structured(await stream.run("browser.tabs"))["tabs"]
    assert structured(again)["tab"] == "t1"
    assert [(tab["tab"], tab["title"]) for tab in tabs] == [("t1", "Desk"), ("t2", "Form")]


async def test_a_call_without_a_tab_means_the_tab_used_last(stream: ToolStream, mesh: ToolMesh) -> None:
    await mesh.visit(stream, "/lamp")
    await mesh.visit(stream, "/desk")
    assert structured(await stream.run("browser.snapshot"))["title"] == "Desk"
    await stream.run("browser.snapshot", {"tab": "t1"})
    assert structured(await stream.run("browser.snapshot"))["title"] == "Lamp"


async def test_a_closed_tab_is_gone_and_another_is_used(stream: ToolStream, mesh: ToolMesh) -> None:
    await mesh.visit(stream, "/lamp")
    await mesh.visit(stream, "/desk")
    await stream.run("browser.close_tab")
    assert structured(await stream.run("browser.snapshot"))["title"] == "Lamp"
    assert failure(await stream.run("browser.snapshot", {"tab": "t2"})).reason_name == "TAB_NOT_FOUND"


async def test_a_tab_that_was_never_there_is_not_found(stream: ToolStream, mesh: ToolMesh) -> None:
    await mesh.visit(stream, "/lamp")
    for tool, arguments in (("browser.snapshot", {}), ("browser.open", {"url": f"{mesh.pages.url}/desk"})):
        assert failure(await stream.run(tool, {**arguments, "tab": "t9"})).reason_name == "TAB_NOT_FOUND"
    assert structured(await stream.run("browser.snapshot"))["title"] == "Lamp"


async def test_opening_more_pages_than_there_may_be_tabs_closes_those_used_longest_ago(
    stream: ToolStream, mesh: ToolMesh
) -> None:
    batches: list[set[str]] = []
    for _ in range(2):
        calls = [stream.call("browser.open", {"url": f"{mesh.pages.url}/lamp"}) for _ in range(6)]
        done = [await stream.completion(call) for call in calls]
        assert [completion.outcome for completion in done] == [SUCCEEDED] * 6
        batches.append({structured(completion)["tab"] for completion in done})
    open_now = {tab["tab"] for tab in structured(await stream.run("browser.tabs"))["tabs"]}

    assert len(open_now) == 8
    assert batches[1] < open_now
    assert len(batches[0] & open_now) == 2


async def test_a_page_that_cannot_be_loaded_fails_and_leaves_no_tab_behind(stream: ToolStream, mesh: ToolMesh) -> None:
    nowhere = {"url": "http://127.0.0.1:1/"}
    first = failure(await stream.run("browser.open", nowhere))
    await mesh.visit(stream, "/lamp")
    second = failure(await stream.run("browser.open", nowhere))
    tabs = structured(await stream.run("browser.tabs"))["tabs"]

    assert (first.reason_name, second.reason_name) == ("NAVIGATION_FAILED", "NAVIGATION_FAILED")
    assert first.metadata["cause"]
    assert [tab["title"] for tab in tabs] == ["Lamp"]
    assert structured(await stream.run("browser.snapshot"))["title"] == "Lamp"


async def test_a_call_on_a_tab_that_did_not_open_says_so(stream: ToolStream, mesh: ToolMesh) -> None:
    opening = stream.call("browser.open", {"url": "http://127.0.0.1:1/"})
    looking = stream.call("browser.snapshot")
    assert failure(await stream.completion(opening)).reason_name == "NAVIGATION_FAILED"
    assert failure(await stream.completion(looking)).reason_name == "TAB_NOT_FOUND"


async def test_a_tab_that_a_page_opens_is_told(stream: ToolStream, mesh: ToolMesh) -> None:
    page = await mesh.visit(stream, "/popup")
    clicked = await stream.run("browser.click", {"ref": ref_of(page, "Pop")})
    shown = await stream.run("browser.snapshot", {"tab": "t2"})
    told = clicked.result.text + (await stream.run("browser.snapshot", {"tab": "t1"})).result.text
    assert "A page opened the tab t2" in told
    assert structured(shown)["title"] == "Desk"


async def test_a_cancelled_open_leaves_no_tab_behind(stream: ToolStream, mesh: ToolMesh) -> None:
    url = mesh.pages.add("/never", "", gated=True)
    await mesh.visit(stream, "/lamp")
    call = stream.call("browser.open", {"url": url})
    await mesh.pages.visited("/never")
    stream.cancel(call)
    done = await stream.completion(call)
    assert done.outcome == tool_pb2.TOOL_OUTCOME_CANCELLED
    await mesh.visit(stream, "/desk")
    tabs = structured(await stream.run("browser.tabs"))["tabs"]
    assert [tab["title"] for tab in tabs] == ["Lamp", "Desk"]


async def test_a_page_that_does_not_answer_in_time_expires_and_the_tab_goes_on(
    stream: ToolStream, mesh: ToolMesh
) -> None:
    url = mesh.pages.add("/slow", "", gated=True)
    page = await mesh.visit(stream, "/lamp")
    done = await stream.run("browser.open", {"url": url, "tab": structured(page)["tab"]}, timeout=0.3)
    assert done.outcome == tool_pb2.TOOL_OUTCOME_EXPIRED
    again = await stream.run("browser.open", {"url": f"{mesh.pages.url}/desk", "tab": "t1"})
    assert structured(again)["title"] == "Desk"


async def test_a_slow_page_is_told_of(stream: ToolStream, mesh: ToolMesh) -> None:
    url = mesh.pages.add("/slowly", "", title="Slowly", gated=True)
    call = stream.call("browser.open", {"url": url})
    frame = await stream.wait_for(lambda f: f.call_progress.call_id == call)
    mesh.pages.gates["/slowly"].set()
    assert frame.call_progress.progress.message == f"Loading {url}"
    assert (await stream.completion(call)).outcome == SUCCEEDED
