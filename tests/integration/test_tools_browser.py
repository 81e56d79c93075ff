"""The browser.* tools, against a real browser service and a real Chromium."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from meshwright.v1 import stream_pb2, tool_pb2, tool_service_pb2
from tests.support.tool_mesh import ToolMesh, ref_of, tool_mesh
from tests.support.tool_stream import ToolStream, failure, structured

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


pytestmark = pytest.mark.asyncio(loop_scope="module")

SUCCEEDED = tool_pb2.TOOL_OUTCOME_SUCCEEDED

FORM = """
<form action="/sent"><label>Name <input name="name"></label><label>Town <input name="town"></label>
<label>Size <select name="size"><option>small</option><option>large</option></select></label>
<button>Send</button></form>
<p id="said"></p>
<script>document.onkeydown = event => { document.querySelector("#said").textContent = "pressed " + event.key }</script>
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ToolMesh]:
    async with tool_mesh(tmp_path_factory.mktemp("mesh")) as running:
        running.pages.add("/desk", "<h1>Oak desk</h1><a href='/lamp'>Lamp</a>", title="Desk")
        running.pages.add("/lamp", "<h1>Desk lamp</h1><p>39.90</p><a href='/desk'>To the desk</a>", title="Lamp")
        running.pages.add("/form", FORM, title="Form")
        running.pages.add("/sent", "<script>document.write(location.search)</script>", title="Sent")
        running.pages.add(
            "/dialog",
            "<button onclick=\"said.textContent = 'Deleted: ' + confirm('Delete it?')\">Delete"
            "</button><p id=said>Still there</p>",
            title="Dialog",
        )
        running.pages.add("/later", "<script>setTimeout(() => { document.body.append('Arrived') }, 300)</script>Wait")
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def stream(mesh: ToolMesh) -> AsyncIterator[ToolStream]:
    async with mesh.stream() as opened:
        yield opened


async def test_an_opened_page_comes_as_text_with_refs_and_its_address(stream: ToolStream, mesh: ToolMesh) -> None:
    done = await mesh.visit(stream, "/lamp")

    url = f"{mesh.pages.url}/lamp"
    assert done.result.text.startswith(f"[tab t1] Lamp — {url}\n")
    assert "39.90" in done.result.text
    assert "[ref=" in done.result.text
    assert done.result.untrusted_origin == mesh.pages.url
    page = structured(done)
    assert (page["tab"], page["url"], page["title"], page["http_status"]) == ("t1", url, "Lamp", 200)


async def test_the_stream_tells_which_browser_the_session_has_and_that_it_was_given_back(mesh: ToolMesh) -> None:
    async with mesh.tools.stream() as stream:
        await mesh.visit(stream, "/lamp")
        await stream.close()

    kinds = stream.kinds()
    assert kinds.index("browser_leased") < kinds.index("call_finished")
    assert kinds[-1] == "browser_released"
    leased = next(f.browser_leased for f in stream.frames if f.HasField("browser_leased"))
    released = stream.frames[-1].browser_released
    assert (leased.lease_id, leased.viewport_width) == (released.lease_id, 1280)
    assert not released.HasField("reason")
    assert released.held_duration.ToMicroseconds() > 0


async def test_a_page_that_is_missing_is_shown_with_its_status(stream: ToolStream, mesh: ToolMesh) -> None:
    done = await mesh.visit(stream, "/nothing")
    assert "(HTTP 404)" in done.result.text.split("\n")[0]
    assert structured(done)["http_status"] == 404


async def test_a_click_follows_a_link_and_back_returns(stream: ToolStream, mesh: ToolMesh) -> None:
    page = await mesh.visit(stream, "/lamp")
    clicked = await stream.run("browser.click", {"ref": ref_of(page, "To the desk")})
    back = await stream.run("browser.back")

    assert structured(clicked)["title"] == "Desk"
    assert "Oak desk" in clicked.result.text
    assert structured(back)["title"] == "Lamp"


async def test_a_form_that_is_filled_in_one_step_is_filled_in_order_and_shown_once(
    stream: ToolStream, mesh: ToolMesh
) -> None:
    page = await mesh.visit(stream, "/form")
    calls = [
        stream.call("browser.type", {"ref": ref_of(page, "Name"), "text": "Ada"}),
        stream.call("browser.type", {"ref": ref_of(page, "Town"), "text": "London"}),
        stream.call("browser.select", {"ref": ref_of(page, "combobox"), "values": ["large"]}),
        stream.call("browser.click", {"ref": ref_of(page, "Send")}),
    ]
    done = [await stream.completion(call) for call in calls]

    assert [completion.outcome for completion in done] == [SUCCEEDED] * 4
    assert [bool(structured(completion)["snapshot"]) for completion in done] == [False, False, False, True]
    assert "The page comes with the last call" in done[0].result.text
    assert "name=Ada&town=London&size=large" in done[-1].result.text


async def test_text_is_submitted_with_enter(stream: ToolStream, mesh: ToolMesh) -> None:
    page = await mesh.visit(stream, "/form")
    sent = await stream.run("browser.type", {"ref": ref_of(page, "Name"), "text": "Ada", "submit": True})
    assert "name=Ada" in sent.result.text


async def test_a_key_is_pressed(stream: ToolStream, mesh: ToolMesh) -> None:
    await mesh.visit(stream, "/form")
    pressed = await stream.run("browser.press", {"key": "ArrowDown"})
    assert "pressed ArrowDown" in pressed.result.text


async def test_scrolling_shows_the_page(stream: ToolStream, mesh: ToolMesh) -> None:
    page = await mesh.visit(stream, "/form")
    for arguments in ({}, {"down": -100}, {"ref": ref_of(page, "Send")}):
        done = await stream.run("browser.scroll", arguments)
        assert done.outcome == SUCCEEDED, done
        page = done


async def test_waiting_ends_when_the_text_is_there(stream: ToolStream, mesh: ToolMesh) -> None:
    await mesh.visit(stream, "/later")
    done = await stream.run("browser.wait", {"text": "Arrived", "seconds": 10})
    assert "Arrived" in done.result.text


async def test_waiting_in_vain_fails_and_shows_the_page(stream: ToolStream, mesh: ToolMesh) -> None:
    await mesh.visit(stream, "/lamp")
    done = await stream.run("browser.wait", {"text": "Sold out", "seconds": 0.2})
    error = failure(done)
    assert (error.reason_name, error.metadata["tool"]) == ("TOOL_FAILED", "browser.wait")
    assert "39.90" in done.result.text


async def test_waiting_for_two_things_is_refused(stream: ToolStream) -> None:
    error = failure(await stream.run("browser.wait", {"text": "a", "idle": True}))
    assert [violation.field for violation in error.violations] == ["arguments"]


async def test_a_part_of_a_page_is_shown_alone(stream: ToolStream, mesh: ToolMesh) -> None:
    page = await mesh.visit(stream, "/lamp")
    part = await stream.run("browser.snapshot", {"ref": ref_of(page, "Desk lamp")})
    assert "Desk lamp" in part.result.text
    assert "39.90" not in part.result.text


async def test_a_ref_of_an_older_page_text_is_stale_and_the_error_shows_the_page(
    stream: ToolStream, mesh: ToolMesh
) -> None:
    lamp = await mesh.visit(stream, "/lamp")
    ref = ref_of(lamp, "To the desk")
    look = stream.call("browser.snapshot")
    click = stream.call("browser.click", {"ref": ref})
    await stream.completion(look)
    done = await stream.completion(click)

    assert failure(done).reason_name == "STALE_REF"
    assert "39.90" in done.result.text
    again = await stream.run("browser.click", {"ref": ref_of(done, "To the desk")})
    assert structured(again)["title"] == "Desk"


async def test_a_ref_that_no_page_text_gave_is_stale(stream: ToolStream, mesh: ToolMesh) -> None:
    opening = stream.call("browser.open", {"url": f"{mesh.pages.url}/lamp"})
    guess = stream.call("browser.click", {"ref": "e2"})
    assert (await stream.completion(opening)).outcome == SUCCEEDED
    assert failure(await stream.completion(guess)).reason_name == "STALE_REF"


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "localhost:8080/demo/",
        "example.com",
        "http://",
        "http:///path",
        "http://[::1",
        "http://host:99999/",
        "http://user:secret@host/",
        "http://ho st/",
        "http://host/\n",
        "javascript:alert(1)",
        "data:text/html,hi",
        "chrome://settings",
        "about:blank",
        "",
        "http://host/" + "x" * 8192,
    ],
)
async def test_an_address_that_may_not_be_opened_is_refused_before_a_browser_is_leased(
    stream: ToolStream, url: str
) -> None:
    error = failure(await stream.run("browser.open", {"url": url}))
    assert error.reason_name == "INVALID_URL"
    assert "url" in error.metadata
    assert "browser_leased" not in stream.kinds()


async def test_a_dialog_is_told_and_answered(stream: ToolStream, mesh: ToolMesh) -> None:
    page = await mesh.visit(stream, "/dialog")
    clicked = await stream.run("browser.click", {"ref": ref_of(page, "Delete")})
    blocked = await stream.run("browser.snapshot")
    answered = await stream.run("browser.dialog", {"accept": True})

    assert "The page opened a dialog (confirm): Delete it?" in clicked.result.text
    assert clicked.result.untrusted_origin == mesh.pages.url
    assert failure(blocked).reason_name == "TOOL_FAILED"
    assert "browser.dialog" in failure(blocked).message
    assert "Deleted: true" in answered.result.text


async def test_a_screenshot_is_kept_as_an_artifact(stream: ToolStream, mesh: ToolMesh) -> None:
    await mesh.visit(stream, "/lamp")
    done = await stream.run("browser.screenshot")

    [artifact] = done.result.artifacts
    assert artifact.media_type == "image/jpeg"
    assert (artifact.width, artifact.height) == (1280, 800)
    assert artifact.description == f"Screenshot of {mesh.pages.url}/lamp"
    assert structured(done)["artifact_id"] == artifact.artifact_id
    kept = mesh.tools.server.servicer._bench.artifacts
    data = b"".join([chunk async for chunk in kept.read("ses_1", artifact.artifact_id)])
    assert data.startswith(b"\xff\xd8")
    assert len(data) == artifact.size_bytes


@pytest.mark.parametrize(
    ("tool", "arguments", "media_type"),
    [
        ("browser.screenshot", {"full_page": True}, "image/jpeg"),
        ("browser.screenshot", {"ref": "h1"}, "image/jpeg"),
        ("browser.pdf", {"background": True}, "application/pdf"),
    ],
)
async def test_pictures_and_prints(
    stream: ToolStream, mesh: ToolMesh, tool: str, arguments: dict[str, Any], media_type: str
) -> None:
    page = await mesh.visit(stream, "/lamp")
    if "ref" in arguments:
        arguments = {"ref": ref_of(page, "Desk lamp")}
    done = await stream.run(tool, arguments)
    assert [artifact.media_type for artifact in done.result.artifacts] == [media_type]


async def test_scripts_are_not_offered_by_default(stream: ToolStream) -> None:
    assert failure(await stream.run("browser.evaluate", {"script": "1"})).reason_name == "TOOL_NOT_FOUND"


async def test_a_stream_that_is_gone_gives_its_browser_back(mesh: ToolMesh) -> None:
    async with mesh.tools.stream() as stream:
        await mesh.visit(stream, "/lamp")
        assert (await mesh.pool()).leased >= 1
        await stream.abandon()
    await mesh.none_leased()


async def test_a_client_that_closes_and_does_not_wait_gives_its_browser_back(mesh: ToolMesh) -> None:
    for number in range(5):
        async with mesh.tools.stream() as stream:
            await mesh.visit(stream, "/lamp")
            stream.send(close=stream_pb2.Close())
            await asyncio.sleep(0.002 * number)
    await mesh.none_leased()


async def test_call_opens_a_page_and_gives_the_browser_back(mesh: ToolMesh) -> None:
    call = tool_pb2.ToolCall(call_id="call_1", tool="browser.open")
    call.arguments.update({"url": f"{mesh.pages.url}/lamp"})
    request = tool_service_pb2.CallRequest(session_id="ses_1", call=call)
    responses = [response async for response in mesh.tools.stub.Call(request)]
    assert responses[-1].completion.outcome == SUCCEEDED
    assert "39.90" in responses[-1].completion.result.text
    await mesh.none_leased()
