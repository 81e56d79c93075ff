"""What becomes of a session when its browser is lost: killed, idle for too long, out of reach, or given back on purpose."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psutil
import pytest

from meshwright.serving.errors import MeshError
from meshwright.tools import browser_lease
from meshwright.v1 import tool_pb2
from tests.support.tool_mesh import ToolMesh, browser_server, tool_mesh
from tests.support.tool_stream import ToolStream, failure, structured, tool_server
from tests.support.web_pages import WebPages, web_pages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from meshwright.v1.tool_service_pb2 import BrowserState, ExecuteResponse

SUCCEEDED = tool_pb2.TOOL_OUTCOME_SUCCEEDED


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[ToolMesh]:
    async with tool_mesh(tmp_path) as running:
        add_pages(running.pages)
        yield running


def add_pages(pages: WebPages) -> None:
    pages.add("/lamp", "<h1>Desk lamp</h1><a href='/desk'>Desk</a>", title="Lamp")
    pages.add("/note", "<script>localStorage.note = 'kept'</script>Noted", title="Note")
    pages.add("/read", "<script>document.write(`${localStorage.note}, ${document.cookie}`)</script>", title="Read")
    pages.add("/gate", "Through", title="Gate", gated=True)


def kill_browser() -> None:
    """Kills every Chromium that this process has started, as the kernel would: without a word."""
    for process in psutil.Process().children(recursive=True):
        if "chrom" in process.name() or "headless" in process.name():
            process.kill()


def released(frame: ExecuteResponse) -> bool:
    return frame.HasField("browser_released")


async def test_a_browser_that_dies_under_an_open_is_replaced_and_the_page_opened_in_the_new_one(mesh: ToolMesh) -> None:
    async with mesh.tools.stream() as stream:
        call = stream.call("browser.open", {"url": f"{mesh.pages.url}/gate"})
        await mesh.pages.visited("/gate")
        kill_browser()
        await mesh.pages.visited("/gate", times=2)
        mesh.pages.gates["/gate"].set()
        done = await stream.completion(call)

    assert done.outcome == SUCCEEDED, done
    assert structured(done)["title"] == "Gate"
    kinds = stream.kinds()
    assert kinds.count("browser_leased") == 2
    assert kinds.index("browser_released") < len(kinds) - kinds[::-1].index("browser_leased")
    told = [f.call_progress.progress.message for f in stream.frames if f.HasField("call_progress")]
    assert "The browser crashed; opening the page in a new one" in told


async def test_a_call_that_acts_on_a_page_fails_with_its_browser_and_the_next_open_has_a_new_one(
    mesh: ToolMesh,
) -> None:
    async with mesh.tools.stream() as stream:
        await stream.run("browser.open", {"url": f"{mesh.pages.url}/lamp"})
        waiting = stream.call("browser.wait", {"text": "Sold out", "seconds": 30})
        queued = stream.call("browser.press", {"key": "Enter"})
        await stream.started(waiting)
        kill_browser()
        lost = failure(await stream.completion(waiting))
        behind = failure(await stream.completion(queued))
        gone = await stream.wait_for(released)
        again = await stream.run("browser.open", {"url": f"{mesh.pages.url}/lamp"})

    assert lost.reason_name == "BROWSER_CRASHED"
    assert behind.reason_name in ("BROWSER_CRASHED", "TAB_NOT_FOUND")
    assert MeshError.from_status(gone.browser_released.reason).reason_name == "BROWSER_CRASHED"
    assert again.outcome == SUCCEEDED
    leases = [f.browser_leased.lease_id for f in stream.frames if f.HasField("browser_leased")]
    assert len(set(leases)) == 2
    assert gone.browser_released.lease_id == leases[0]


async def test_a_new_browser_goes_on_with_the_page_and_the_cookies_of_the_one_that_died(mesh: ToolMesh) -> None:
    async with mesh.tools.stream() as stream:
        await stream.run("browser.open", {"url": f"{mesh.pages.url}/note"})
        await stream.run("browser.open", {"url": f"{mesh.pages.url}/read", "tab": "t1"})
        await stream.wait_for(lambda f: f.HasField("browser_state"))
        kill_browser()
        await stream.wait_for(released)
        shown = await stream.run("browser.snapshot", {"tab": "t1"})

    assert structured(shown)["url"] == f"{mesh.pages.url}/read"
    assert "kept, seen=yes" in shown.result.text


async def test_a_browser_that_dies_before_its_state_was_saved_leaves_the_page_at_least(mesh: ToolMesh) -> None:
    async with mesh.tools.stream() as stream:
        await stream.run("browser.open", {"url": f"{mesh.pages.url}/lamp"})
        kill_browser()
        gone = await stream.wait_for(released)
        shown = await stream.run("browser.snapshot")
        before = stream.frames[stream.frames.index(gone) - 1]

    assert structured(shown)["title"] == "Lamp"
    assert before.browser_state.url == f"{mesh.pages.url}/lamp"


async def last_state(stream: ToolStream) -> BrowserState:
    await stream.close()
    return [f.browser_state for f in stream.frames if f.HasField("browser_state")][-1]


async def test_a_later_stream_goes_on_where_an_earlier_one_ended(mesh: ToolMesh) -> None:
    async with mesh.tools.stream() as first:
        await first.run("browser.open", {"url": f"{mesh.pages.url}/note"})
        await first.run("browser.open", {"url": f"{mesh.pages.url}/read"})
        state = await last_state(first)
    kinds = first.kinds()
    assert kinds.index("browser_state") < kinds.index("browser_released")

    async with mesh.tools.stream(browser_storage_state=state.storage_state, browser_url=state.url) as second:
        shown = await second.run("browser.snapshot")
        visits = mesh.pages.visits["/read"]
        await second.run("browser.open", {"url": f"{mesh.pages.url}/lamp"})

    assert state.url == f"{mesh.pages.url}/read"
    assert "kept, seen=yes" in shown.result.text
    assert visits == 2
    assert mesh.pages.visits["/read"] == 2


async def test_a_first_open_does_not_go_back_to_the_old_page_first(mesh: ToolMesh) -> None:
    async with mesh.tools.stream(browser_url=f"{mesh.pages.url}/read") as stream:
        done = await stream.run("browser.open", {"url": f"{mesh.pages.url}/lamp"})
    assert structured(done)["tab"] == "t1"
    assert "/read" not in mesh.pages.visits


async def test_a_state_that_did_not_change_is_not_sent_again(mesh: ToolMesh) -> None:
    async with mesh.tools.stream() as stream:
        await stream.run("browser.open", {"url": f"{mesh.pages.url}/lamp"})
        await stream.wait_for(lambda f: f.HasField("browser_state"))
        await stream.run("browser.snapshot")
        await stream.close()
    assert stream.kinds().count("browser_state") == 1


async def test_a_browser_that_was_idle_for_too_long_is_replaced_by_itself(tmp_path: Path) -> None:
    async with tool_mesh(tmp_path, browser_idle_seconds=1.5) as mesh:
        add_pages(mesh.pages)
        async with mesh.tools.stream() as stream:
            await stream.run("browser.open", {"url": f"{mesh.pages.url}/lamp"})
            gone = await stream.wait_for(released)
            shown = await stream.run("browser.snapshot")

    assert MeshError.from_status(gone.browser_released.reason).reason_name == "LEASE_NOT_FOUND"
    assert structured(shown)["title"] == "Lamp"


async def test_a_browser_service_out_of_reach_fails_the_call_and_not_the_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser_lease, "CONNECT_SECONDS", 0.5)
    async with (
        web_pages() as pages,
        tool_server(tmp_path, browser_address=f"unix:{tmp_path}/browser.sock") as tools,
        tools.stream() as stream,
    ):
        add_pages(pages)
        lost = failure(await stream.run("browser.open", {"url": f"{pages.url}/lamp"}))
        wrote = await stream.run("file.write", {"path": "a.txt", "content": "a"})
        # One that starts in a moment is waited for.
        monkeypatch.setattr(browser_lease, "CONNECT_SECONDS", 15.0)
        opening = asyncio.create_task(stream.run("browser.open", {"url": f"{pages.url}/lamp"}, timeout=20))
        async with browser_server(tmp_path):
            found = await opening
            await stream.close()

    assert lost.reason_name == "UNAVAILABLE"
    assert lost.metadata == {"service": "meshwright.v1.BrowserService"}
    assert lost.retry_after
    assert wrote.outcome == SUCCEEDED
    assert found.outcome == SUCCEEDED, found


async def test_a_full_pool_is_told_as_such(tmp_path: Path) -> None:
    async with tool_mesh(tmp_path, browser_capacity=1, browser_queue=0) as mesh:
        add_pages(mesh.pages)
        async with mesh.tools.stream("ses_1") as first, mesh.tools.stream("ses_2") as second:
            await first.run("browser.open", {"url": f"{mesh.pages.url}/lamp"})
            refused = failure(await second.run("browser.open", {"url": f"{mesh.pages.url}/lamp"}))
            await first.close()
            await mesh.pool_is(lambda pool: pool.warm == 1)
            granted = await second.run("browser.open", {"url": f"{mesh.pages.url}/lamp"})

    assert refused.reason_name == "NO_BROWSER_AVAILABLE"
    assert refused.retry_after
    assert granted.outcome == SUCCEEDED


async def test_scripts_are_evaluated_where_the_operator_allows_it(tmp_path: Path) -> None:
    async with tool_mesh(tmp_path, browser_evaluate=True) as mesh:
        add_pages(mesh.pages)
        async with mesh.tools.stream() as stream:
            await stream.run("browser.open", {"url": f"{mesh.pages.url}/lamp"})
            value = await stream.run("browser.evaluate", {"script": "() => ({title: document.title, n: [1, 2.5]})"})
            wrong = await stream.run("browser.evaluate", {"script": "nothing.at.all"})

    assert structured(value)["value"] == {"title": "Lamp", "n": [1, 2.5]}
    assert value.result.untrusted_origin == mesh.pages.url
    assert failure(wrong).reason_name == "EVALUATE_FAILED"
