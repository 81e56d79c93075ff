"""What pages do by themselves: console, dialogs, popups, downloads, crashes; and what they must not be able to do."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from aiohttp import web
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Value
from playwright.async_api import Error as PlaywrightError

from meshwright.browser import page_events
from meshwright.serving.errors import MeshError
from meshwright.v1 import browser_pb2 as pb
from tests.support.browser_client import BrowserClient, Driving, Site, browser_client, fails

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from meshwright.serving.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service() -> AsyncIterator[tuple[BrowserClient, Server[Any]]]:
    async with browser_client(browser_evaluate=True) as both:
        yield both


@pytest.fixture(scope="module")
def browser(service: tuple[BrowserClient, Server[Any]]) -> BrowserClient:
    return service[0]


@pytest.fixture(scope="module")
def server(service: tuple[BrowserClient, Server[Any]]) -> Server[Any]:
    return service[1]


@pytest_asyncio.fixture(loop_scope="module")
async def driving(browser: BrowserClient) -> AsyncIterator[Driving]:
    async with browser.drive(limits=pb.LeaseLimits(max_tabs=3)) as driving:
        yield driving


async def test_tells_of_addresses(driving: Driving, site: Site) -> None:
    url = site.page("/moving", "<script>history.pushState(0, '', '/moved')</script>", title="Moving")
    await driving.goto(url)
    await driving.until(lambda: len(driving.events) >= 2)
    assert [event.navigated.tab.url for event in driving.events] == [url, site.url + "/moved"]
    assert {event.tab_id for event in driving.events} == {"t1"}
    assert all(event.time.seconds for event in driving.events)


async def test_tells_of_console_messages_and_errors(driving: Driving, site: Site) -> None:
    script = "console.warn('careful', 1); console.log('x'.repeat(9999)); setTimeout(() => { throw new Error('oops') })"
    await driving.goto(site.page("/console", f"<script>{script}</script>"))
    await driving.until(lambda: sum(event.HasField("console") for event in driving.events) == 3)
    said = [event.console for event in driving.events if event.HasField("console")]
    assert [(each.level, each.text[:20]) for each in said] == [
        ("warning", "careful 1"),
        ("log", "x" * 20),
        ("pageerror", "oops"),
    ]
    assert len(said[1].text) == 4096


async def test_a_flood_of_console_messages_does_not_hold_up_results(driving: Driving, site: Site) -> None:
    await driving.goto(
        site.page("/flood", "<script>for (let n = 0; n < 3000; n++) console.log(n)</script><h1>Flood</h1>")
    )
    assert "Flood" in (await driving.snapshot()).text


@pytest.mark.parametrize(("accept", "outcome"), [(True, "true typed"), (False, "false null")])
async def test_a_dialog_ends_the_click_and_waits_for_its_answer(
    driving: Driving, site: Site, accept: bool, outcome: str
) -> None:
    script = "document.title = confirm('Sure?') + ' ' + prompt('Name?', 'Ada')"
    await driving.goto(site.page("/dialog", f'<button onclick="{script}">Ask</button>'))
    await driving.click("Ask")
    asked = await driving.event("dialog")
    assert (asked.tab_id, asked.dialog.type, asked.dialog.message) == ("t1", "confirm", "Sure?")
    later = await driving.send(snapshot=pb.Snapshot())
    await driving.run(answer_dialog=pb.AnswerDialog(accept=accept))
    await driving.until(lambda: sum(event.HasField("dialog") for event in driving.events) == 2)
    assert driving.events[-1].dialog.default_text == "Ada"
    await driving.run(answer_dialog=pb.AnswerDialog(accept=accept, text="typed"))
    await later
    assert await driving.evaluate("document.title") == outcome
    none = await fails(driving.run(answer_dialog=pb.AnswerDialog()))
    assert (none.reason_name, none.metadata["cause"]) == ("ELEMENT_NOT_ACTIONABLE", "NO_DIALOG")


async def test_a_dialog_that_nobody_answers_is_dismissed(
    driving: Driving, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_events, "DIALOG_SECONDS", 0.3)
    await driving.goto(site.page("/alert", "<h1>Below</h1><script>document.title = String(confirm('Hi'))</script>"))
    assert (await driving.event("dialog")).dialog.message == "Hi"
    assert (await driving.snapshot()).text
    assert await driving.evaluate("document.title") == "false"


async def test_a_page_that_asks_to_be_kept_is_left_all_the_same(driving: Driving, site: Site) -> None:
    keep = "<script>onbeforeunload = e => { e.preventDefault(); return 'x' }</script><button>Touch</button>"
    await driving.goto(site.page("/keep", keep))
    await driving.click("Touch")
    assert (await driving.goto(site.page("/next", "Next", title="Next"))).tab.title == "Next"
    assert not any(event.HasField("dialog") for event in driving.events)


async def test_a_new_tab_whose_page_asks_something_stays(driving: Driving, site: Site) -> None:
    url = site.page("/asks", "<script>document.title = String(confirm('Stay?'))</script>")
    assert (await driving.run(open_tab=pb.OpenTab(url=url))).tab.tab_id == "t2"
    assert (await driving.event("dialog")).tab_id == "t2"
    await driving.run("t2", answer_dialog=pb.AnswerDialog(accept=True))
    assert "true" in str(await driving.evaluate("document.title"))


async def test_a_page_opens_tabs_up_to_the_limit(driving: Driving, site: Site) -> None:
    site.page("/child", "<h1>Child</h1>", title="Child")
    opener = "".join(f"window.open('/child', '', '{features}');" for features in ("", "noopener", "", ""))
    await driving.goto(site.page("/opener", f'<button onclick="{opener}">Open</button>'))
    await driving.click("Open")
    await driving.until(lambda: sum(event.HasField("popup") for event in driving.events) == 2)
    popups = [event.popup.tab.tab_id for event in driving.events if event.HasField("popup")]
    assert popups == ["t2", "t3"]
    assert "Child" in (await driving.snapshot("t3")).text
    assert (await driving.run("t1", snapshot=pb.Snapshot())).tab.url.endswith("/opener")
    tabs = (await driving.run(list_tabs=pb.ListTabs())).tabs.tabs
    assert [tab.tab_id for tab in tabs] == ["t1", "t2", "t3"]


async def test_a_tab_that_closes_itself_is_told_and_gone(driving: Driving, site: Site) -> None:
    site.page("/short", "<h1>Short</h1>")
    await driving.goto(
        site.page(
            "/parent",
            "<button onclick=\"w = window.open('/short')\">Open</button><button onclick='w.close()'>Close</button>",
        )
    )
    await driving.click('"Open"')
    await driving.event("popup")
    await driving.run("t1", click=pb.Click(element=await driving.element('"Close"', "t1")))
    assert (await driving.event("tab_closed")).tab_id == "t2"
    assert (await fails(driving.snapshot("t2"))).reason_name == "TAB_NOT_FOUND"


async def test_downloads_are_told_and_refused(driving: Driving, server: Server[Any], site: Site) -> None:
    async def attachment(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"data", headers={"Content-Disposition": 'attachment; filename="a b.zip"'})

    site.pages["/file"] = attachment
    page = site.page("/files", "<a href=/file download>Get</a>")
    assert (await driving.goto(site.url + "/file")).navigation.download
    await driving.until(lambda: sum(event.HasField("download") for event in driving.events) == 2)
    started, failed = (event.download for event in driving.events if event.HasField("download"))
    assert (started.state, failed.state) == (pb.DOWNLOAD_STATE_STARTED, pb.DOWNLOAD_STATE_FAILED)
    assert (started.download_id, failed.download_id) == ("d1", "d1")
    assert (failed.url, failed.suggested_name) == (site.url + "/file", "a b.zip")
    assert failed.error.message
    await driving.goto(page)
    await driving.click("Get")
    await driving.until(lambda: sum(event.HasField("download") for event in driving.events) == 4)
    assert not list(server.servicer._pool.fleet._scratch.path.glob("*/playwright-artifacts-*/*"))


async def crash_tab(server: Server[Any], lease_id: str) -> None:
    """Kills the renderer of the first tab, as a page that is too large would."""
    stream = next(each for each in server.servicer._streams if each.lease.lease_id == lease_id)
    tab = stream.lease.tabs.find("t1")
    # The renderer dies before it can answer.
    with contextlib.suppress(PlaywrightError, TimeoutError):
        async with asyncio.timeout(0.1):
            await (await tab.cdp()).send("Page.crash")


async def test_a_crashed_tab_is_told_and_the_others_live_on(driving: Driving, server: Server[Any], site: Site) -> None:
    url = site.page("/alive", "<h1>Alive</h1>", title="Alive")
    await driving.run(open_tab=pb.OpenTab(url=url))
    await driving.goto(url, "t1")
    waiting = await driving.send("t1", wait=pb.Wait(text="never"))
    queued = await driving.send("t1", snapshot=pb.Snapshot())
    await crash_tab(server, driving.lease.lease_id)
    for each in (waiting, queued):
        assert (await fails(each)).reason_name == "BROWSER_CRASHED"
    assert (await driving.event("crash")).tab_id == "t1"
    assert (await driving.snapshot("t2")).text
    for tab in ("t1", "t2"):
        await driving.run(tab, close_tab=pb.CloseTab())
    assert (await driving.run(open_tab=pb.OpenTab(url=url))).tab.title == "Alive"


async def test_a_lease_whose_only_tab_crashed_goes_on_in_a_new_one(
    driving: Driving, server: Server[Any], site: Site
) -> None:
    await driving.goto(site.page("/only", "<h1>Only</h1>"))
    await crash_tab(server, driving.lease.lease_id)
    assert (await fails(driving.snapshot())).reason_name == "BROWSER_CRASHED"
    await driving.run(close_tab=pb.CloseTab())
    assert not (await driving.run(list_tabs=pb.ListTabs())).tabs.tabs
    assert (await fails(driving.snapshot())).reason_name == "TAB_NOT_FOUND"
    assert (await driving.run(open_tab=pb.OpenTab(url=site.url + "/only"))).tab.tab_id == "t2"


LOCAL = (
    "file:///etc/passwd",
    "chrome://version/",
    "view-source:http://127.0.0.1/",
    "devtools://devtools/",
    "chrome-untrusted://print/",
)


@pytest.mark.parametrize("target", LOCAL)
@pytest.mark.parametrize("way", ["location", "link", "open", "frame", "redirect", "refresh", "form", "fetch"])
async def test_a_page_cannot_reach_what_is_not_the_web(driving: Driving, site: Site, target: str, way: str) -> None:
    async def redirect(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": target})

    async def refresh(_request: web.Request) -> web.StreamResponse:
        return web.Response(text="<h1>Here</h1>", content_type="text/html", headers={"Refresh": f"0; url={target}"})

    site.pages["/redirect"], site.pages["/refresh"] = redirect, refresh
    await driving.goto(site.page("/attack", "<h1>Here</h1>"))
    if way == "redirect":
        assert (await fails(driving.goto(site.url + "/redirect"))).reason_name == "NAVIGATION_FAILED"
    elif way == "refresh":
        await driving.goto(site.url + "/refresh")
    else:
        script = {
            "location": "location.href = u",
            "link": "Object.assign(document.body.appendChild(document.createElement('a')), {href: u}).click()",
            "open": "void open(u)",
            "frame": "void (document.body.appendChild(document.createElement('iframe')).src = u)",
            "form": "document.body.appendChild(Object.assign(document.createElement('form'), {action: u})).submit()",
            "fetch": "fetch(u).then(r => r.text()).then(t => { document.title = t.slice(0, 99) }, () => {})",
        }[way]
        with contextlib.suppress(MeshError):
            await driving.run(evaluate=pb.Evaluate(script=f"u => {{ {script} }}", argument=Value(string_value=target)))
    await driving.run(wait=pb.Wait(duration=Duration(nanos=80_000_000)))
    tabs = (await driving.run(list_tabs=pb.ListTabs())).tabs.tabs
    for tab in tabs:
        assert not tab.url.startswith(target.partition(":")[0] + ":"), tab
        taken = await driving.run(tab.tab_id, snapshot=pb.Snapshot())
        assert "root:" not in taken.snapshot.text + taken.tab.title
        assert "Chromium" not in taken.snapshot.text
