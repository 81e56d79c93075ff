"""Every command of the contract, through a real gRPC server and a real Chromium."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from aiohttp import web
from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Value

from meshwright.browser.image_size import image_size
from meshwright.v1 import browser_pb2 as pb
from tests.support.browser_client import BrowserClient, Driving, Site, browser_client, fails, local_site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORM = """
<h1>Order</h1>
<label>Name <input id=name value="Ada"></label>
<label>Size <select id=size><option value=s>Small<option value=l>Large</select></label>
<label>Colours <select multiple><option>red<option>green<option>blue</select></label>
<label>Note <textarea>one</textarea></label>
<button onclick="document.title = 'ordered by ' + document.getElementById('name').value">Order</button>
<button ondblclick="document.title = 'twice'">Double</button>
<button oncontextmenu="document.title = 'right'; return false">Menu</button>
<button onclick="document.title = event.shiftKey ? 'shift' : 'plain'">Keys</button>
<button onmouseover="document.title = 'over'">Hover</button>
<button disabled>Disabled</button>
<button style="visibility:hidden" id=ghost>Ghost</button>
<div style="position:relative"><button>Covered</button>
<div style="position:absolute;inset:0;background:white"></div></div>
<div contenteditable role=textbox aria-label=Rich>rich</div>
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[BrowserClient]:
    async with browser_client(browser_evaluate=True, browser_action_seconds=0.7) as (client, _server):
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site() -> AsyncIterator[Site]:
    async with local_site() as pages:
        yield pages


@pytest_asyncio.fixture(loop_scope="module")
async def driving(browser: BrowserClient) -> AsyncIterator[Driving]:
    async with browser.drive() as driving:
        yield driving


async def evaluate(driving: Driving, script: str, tab: str = "") -> object:
    result = await driving.run(tab, evaluate=pb.Evaluate(script=script))
    return json_format.MessageToDict(result.value)


async def test_navigates_and_says_where_it_is(driving: Driving, site: Site) -> None:
    url = site.page("/shop", "<h1>Shop</h1>", title="The shop")
    result = await driving.goto(url)
    assert (result.tab.tab_id, result.tab.url, result.tab.title) == ("t1", url, "The shop")
    assert result.navigation.http_status == 200
    assert result.duration.ToMilliseconds() > 0


async def test_a_missing_page_is_a_page_with_its_status(driving: Driving, site: Site) -> None:
    result = await driving.goto(site.url + "/nothing")
    assert (result.navigation.http_status, result.tab.title) == (404, "Nothing here")


@pytest.mark.parametrize("state", pb.LoadState.values())
async def test_navigates_until_any_state(driving: Driving, site: Site, state: pb.LoadState.ValueType) -> None:
    url = site.page("/state", "<h1>State</h1>")
    result = await driving.run(navigate=pb.Navigate(url=url, wait_until=state))
    assert result.navigation.http_status == 200


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "chrome://version",
        "view-source:http://127.0.0.1/",
        "data:text/html,hi",
        "javascript:alert(1)",
        "about:blank",
        "blob:http://127.0.0.1/x",
        "devtools://devtools/bundled/inspector.html",
        "ftp://127.0.0.1/",
        "//127.0.0.1/",
        "127.0.0.1",
        "http://",
        "http:///path",
        "http:127.0.0.1",
        "http://[::1",
        "http://host:99999/",
        "http://a b/",
        "http://127.0.0.1\\@host/",
        "http://ho\nst/",
        " http://127.0.0.1/",
        "http://%/",
    ],
)
async def test_an_address_that_is_not_plain_http_is_invalid(driving: Driving, url: str) -> None:
    for action in ({"navigate": pb.Navigate(url=url)}, {"open_tab": pb.OpenTab(url=url)}):
        error = await fails(driving.run(**action))
        assert (error.reason_name, error.metadata) == ("INVALID_URL", {"url": url})
    assert len((await driving.run(list_tabs=pb.ListTabs())).tabs.tabs) == 1


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("http://nowhere.invalid/", "ERR_NAME_NOT_RESOLVED"),
        ("http://127.0.0.1:6000/", "ERR_UNSAFE_PORT"),
    ],
)
async def test_a_page_that_does_not_load_fails_with_the_net_error(driving: Driving, url: str, cause: str) -> None:
    error = await fails(driving.goto(url))
    assert error.reason_name == "NAVIGATION_FAILED"
    assert error.metadata == {"url": url, "cause": cause}
    assert "net::" not in error.message


async def test_a_server_that_is_down_is_a_refused_connection(driving: Driving) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        error = await fails(driving.goto(f"http://127.0.0.1:{deaf.getsockname()[1]}/"))
    assert error.metadata["cause"] == "ERR_CONNECTION_REFUSED"


async def test_goes_back_and_forward_and_reloads(driving: Driving, site: Site) -> None:
    first, second = site.page("/first", "1", title="First"), site.page("/second", "2", title="Second")
    for url in (first, second):
        await driving.goto(url)
    back = await driving.run(history=pb.History(move=pb.HISTORY_MOVE_BACK))
    assert (back.tab.url, back.tab.title) == (first, "First")
    nowhere = await fails(driving.run(history=pb.History(move=pb.HISTORY_MOVE_BACK)))
    assert (nowhere.reason_name, nowhere.metadata["cause"]) == ("NAVIGATION_FAILED", "NO_HISTORY")
    forward = await driving.run(history=pb.History(move=pb.HISTORY_MOVE_FORWARD))
    assert forward.tab.url == second
    site.page("/second", "2", title="Second, new")
    reloaded = await driving.run(history=pb.History(move=pb.HISTORY_MOVE_RELOAD))
    assert (reloaded.tab.title, reloaded.navigation.http_status) == ("Second, new", 200)


async def test_reads_the_page_and_its_frames_as_text_with_refs(driving: Driving, site: Site) -> None:
    await driving.goto(
        site.page("/read", "<h1>Lamp</h1><p>39.90</p><iframe srcdoc='<button>Inside</button>'></iframe>")
    )
    taken = await driving.snapshot()
    assert taken.snapshot_id == "s1"
    assert not taken.truncated
    assert taken.total_bytes == len(taken.text.encode())
    for line in ('heading "Lamp"', "39.90", 'button "Inside" [ref=f'):
        assert line in taken.text
    assert "box=" not in taken.text


async def test_reads_only_the_part_under_a_ref(driving: Driving, site: Site) -> None:
    await driving.goto(site.page("/part", "<h1>Top</h1><nav aria-label=Menu><a href=/>Home</a></nav>"))
    ref = (await driving.element("navigation")).ref
    part = (await driving.run(snapshot=pb.Snapshot(ref=ref))).snapshot
    assert "Home" in part.text
    assert "Top" not in part.text
    assert part.snapshot_id == "s2"


async def test_a_long_page_is_cut_to_its_budget_with_what_is_in_view(driving: Driving, site: Site) -> None:
    cards = "".join(f"<section><h2>Card {n}</h2><button>Buy {n}</button></section>" for n in range(200))
    modal = "<div role=dialog style='position:fixed;top:0'><button>Accept</button></div>"
    await driving.goto(site.page("/long", cards + modal))
    await driving.run(scroll=pb.Scroll(delta_y=6000))
    taken = (await driving.run(snapshot=pb.Snapshot(max_bytes=2048))).snapshot
    assert taken.truncated
    assert taken.total_bytes > len(taken.text.encode()) <= 2048
    assert 'button "Accept"' in taken.text
    assert 'button "Buy 0"' not in taken.text
    assert taken.text.splitlines()[-1].startswith("# Left out")
    await driving.click('button "Accept"')


async def test_lone_surrogates_of_a_page_do_not_break_its_text(driving: Driving, site: Site) -> None:
    await driving.goto(
        site.page("/surrogate", "<h1></h1><script>document.querySelector('h1').textContent='a\\ud800b'</script>")
    )
    assert "heading" in (await driving.snapshot()).text


async def test_clicks_with_every_button_count_and_modifier(driving: Driving, site: Site) -> None:
    await driving.goto(site.page("/form", FORM))
    titles = []
    for text, options in (
        ('button "Order"', {}),
        ('button "Double"', {"count": 2}),
        ('button "Menu"', {"button": pb.MOUSE_BUTTON_RIGHT}),
        ('button "Keys"', {"modifiers": ["Shift"]}),
    ):
        element = await driving.element(text)
        titles.append((await driving.run(click=pb.Click(element=element, **options))).tab.title)
    assert titles == ["ordered by Ada", "twice", "right", "shift"]


async def test_a_click_that_leads_elsewhere_ends_there(driving: Driving, site: Site) -> None:
    target = site.page("/target", "<h1>Arrived</h1>", title="Target")
    await driving.goto(site.page("/link", "<a href=/target>Go</a>"))
    result = await driving.click('link "Go"')
    assert (result.tab.url, result.tab.title) == (target, "Target")
    assert "Arrived" in (await driving.snapshot()).text


async def test_a_click_that_fetches_ends_when_it_has_come(driving: Driving, site: Site) -> None:
    async def data(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.15)
        return web.Response(text="fetched words")

    site.pages["/data"] = data
    script = "fetch('/data').then(r => r.text()).then(t => document.querySelector('p').textContent = t)"
    await driving.goto(site.page("/fetch", f'<button onclick="{script}">Fetch</button><p></p>'))
    await driving.click('button "Fetch"')
    assert "fetched words" in (await driving.snapshot()).text


async def test_types_instead_of_what_is_there_or_after_it(driving: Driving, site: Site) -> None:
    await driving.goto(site.page("/form", FORM))
    for text, append, expected in (("Grace", False, "Grace"), (" Hopper", True, "Grace Hopper"), ("", False, "")):
        element = await driving.element('textbox "Name"')
        await driving.run(type=pb.Type(element=element, text=text, append=append))
        assert await evaluate(driving, "document.getElementById('name').value") == expected
    for name, selector, read in (("Note", "textarea", "value"), ("Rich", "[contenteditable]", "textContent")):
        element = await driving.element(f'textbox "{name}"')
        await driving.run(type=pb.Type(element=element, text="!", append=True))
        value = await evaluate(driving, f"document.querySelector('{selector}').{read}")
        assert value in ("one!", "rich!")


async def test_typing_can_submit_the_form(driving: Driving, site: Site) -> None:
    await driving.goto(site.page("/search", "<form action=/results><input name=q aria-label=Query></form>"))
    site.page("/results", "<h1>Results</h1>", title="Results")
    element = await driving.element('textbox "Query"')
    result = await driving.run(type=pb.Type(element=element, text="desk lamp", submit=True))
    assert (result.tab.url, result.tab.title) == (site.url + "/results?q=desk+lamp", "Results")


async def test_presses_keys_where_the_focus_is_or_in_an_element(driving: Driving, site: Site) -> None:
    await driving.goto(site.page("/keys", "<input aria-label=A><input aria-label=B><p></p>"))
    element = await driving.element('textbox "B"')
    await driving.run(press=pb.Press(key="x", element=element))
    await driving.run(press=pb.Press(key="Shift+Y"))
    await driving.run(press=pb.Press(key="Shift+Tab"))
    await driving.run(press=pb.Press(key="z"))
    assert await evaluate(driving, "[...document.querySelectorAll('input')].map(i => i.value)") == ["z", "xY"]
    error = await fails(driving.run(press=pb.Press(key="NoSuchKey")))
    assert (error.reason_name, error.violations[0].field) == ("INVALID_FIELDS", "run.press.key")


async def test_chooses_options_by_value_and_label(driving: Driving, site: Site) -> None:
    await driving.goto(site.page("/form", FORM))
    chosen = "[...document.querySelectorAll('select')].map(s => [...s.selectedOptions].map(o => o.text))"
    for text, values, index, expected in (
        ('combobox "Size"', ["l"], 0, ["Large"]),
        ('combobox "Size"', ["Small"], 0, ["Small"]),
        ('listbox "Colours"', ["red", "blue"], 1, ["red", "blue"]),
        ('listbox "Colours"', [], 1, []),
    ):
        await driving.run(select=pb.Select(element=await driving.element(text), values=values))
        found = await evaluate(driving, chosen)
        assert isinstance(found, list)
        assert found[index] == expected


async def test_hovers(driving: Driving, site: Site) -> None:
    await driving.goto(site.page("/form", FORM))
    element = await driving.element('button "Hover"')
    assert (await driving.run(hover=pb.Hover(element=element))).tab.title == "over"


async def test_scrolls_the_page_a_box_and_to_an_element(driving: Driving, site: Site) -> None:
    await driving.goto(site.page("/tall", "<div style='height:5000px'>Top</div><button>Bottom</button>"))
    await driving.run(scroll=pb.Scroll(delta_y=700))
    assert await evaluate(driving, "scrollY") == 700
    await driving.run(scroll=pb.Scroll(element=await driving.element("Bottom")))
    assert await evaluate(driving, "scrollY > 4000")
    box = "<body style='margin:0;overflow:hidden'><div id=box style='height:100vh;overflow:auto'><div style='height:4000px'>"
    await driving.goto(site.page("/box", box))
    await driving.run(scroll=pb.Scroll(delta_y=500))
    assert await evaluate(driving, "document.getElementById('box').scrollTop") == 500


@pytest.mark.parametrize(
    ("text", "action", "cause"),
    [
        ('button "Disabled"', "click", "DISABLED"),
        ('button "Covered"', "click", "COVERED"),
        ('heading "Order"', "type", "NOT_EDITABLE"),
        ('button "Order"', "select", "NOT_A_LIST"),
        ('combobox "Size"', "select", "NO_SUCH_OPTION"),
    ],
)
async def test_what_cannot_be_acted_on_says_why(
    driving: Driving, site: Site, text: str, action: str, cause: str
) -> None:
    await driving.goto(site.page("/form", FORM))
    element = await driving.element(text)
    command: dict[str, Any] = {}
    match action:
        case "click":
            command["click"] = pb.Click(element=element)
        case "type":
            command["type"] = pb.Type(element=element, text="x")
        case _:
            command["select"] = pb.Select(element=element, values=["nothing"])
    error = await fails(driving.run(**command))
    assert (error.reason_name, error.metadata) == ("ELEMENT_NOT_ACTIONABLE", {"ref": element.ref, "cause": cause})


async def test_refs_are_stale_after_another_snapshot_or_page_or_without_any(driving: Driving, site: Site) -> None:
    unknown = await fails(driving.run(click=pb.Click(element=pb.Element(ref="e1"))))
    assert unknown.reason_name == "STALE_REF"
    url = site.page("/stale", "<button onclick='this.remove()'>Once</button>")
    await driving.goto(url)
    old = await driving.element("Once")
    new = await driving.element("Once")
    for element in (old, pb.Element(ref="e999"), pb.Element(ref="f99e9")):
        error = await fails(driving.run(click=pb.Click(element=element)))
        assert (error.reason_name, error.metadata["ref"]) == ("STALE_REF", element.ref)
    await driving.run(click=pb.Click(element=new))
    assert (await fails(driving.run(click=pb.Click(element=new)))).reason_name == "STALE_REF"
    again = await driving.goto(url)
    assert again.navigation.http_status == 200
    assert (await fails(driving.run(hover=pb.Hover(element=new)))).reason_name == "STALE_REF"


async def test_a_ref_without_a_snapshot_id_trusts_the_latest(driving: Driving, site: Site) -> None:
    await driving.goto(site.page("/trust", "<button onclick='document.title=1'>Go</button>"))
    element = await driving.element("Go")
    await driving.snapshot()
    assert (await driving.run(click=pb.Click(element=pb.Element(ref=element.ref)))).tab.title == "1"


async def test_waits_for_every_condition(driving: Driving, site: Site) -> None:
    later = "<p id=p>soon</p><script>setTimeout(() => { p.textContent = 'done'; history.pushState(0, '', '/w/done') }, 150)</script>"
    for condition in (
        pb.Wait(text="done"),
        pb.Wait(text_gone="soon"),
        pb.Wait(url_glob="**/w/done"),
        pb.Wait(load_state=pb.LOAD_STATE_NETWORK_IDLE),
        pb.Wait(load_state=pb.LOAD_STATE_COMMITTED),
        pb.Wait(duration=Duration(nanos=200_000_000)),
    ):
        await driving.goto(site.page("/later", later))
        await driving.run(wait=condition)
        if condition.WhichOneof("condition") != "load_state":
            assert await evaluate(driving, "p.textContent") == "done"


async def test_waiting_ends_at_the_deadline(driving: Driving, site: Site) -> None:
    await driving.goto(site.page("/never", "<p>here</p>"))
    for condition in (pb.Wait(text="never"), pb.Wait(text_gone="here"), pb.Wait(url_glob="**/never-ever")):
        started = time.monotonic()
        error = await fails(driving.run(timeout=0.2, wait=condition))
        assert (error.reason_name, error.metadata) == ("DEADLINE_EXCEEDED", {"timeout_ms": "200"})
        assert time.monotonic() - started < 2


async def test_takes_pictures_of_the_view_the_page_and_an_element(driving: Driving, site: Site) -> None:
    body = "<body style='margin:0'><div role=img aria-label=Box style='width:300px;height:120px;background:red'></div>"
    await driving.goto(site.page("/picture", body + "<div style='height:3000px'></div>"))
    view = (await driving.run(screenshot=pb.Screenshot())).capture
    assert (view.media_type, view.width, view.height) == ("image/jpeg", 1280, 800)
    assert view.data.startswith(b"\xff\xd8")
    rough = (await driving.run(screenshot=pb.Screenshot(quality=1))).capture
    assert len(rough.data) < len(view.data)
    page = (await driving.run(screenshot=pb.Screenshot(format=pb.IMAGE_FORMAT_PNG, full_page=True))).capture
    assert (page.media_type, page.width, page.height) == ("image/png", 1280, 3120)
    assert image_size(page.data) == (1280, 3120)
    box = (await driving.run(screenshot=pb.Screenshot(element=await driving.element("Box")))).capture
    assert (box.width, box.height) == (300, 120)


async def test_a_very_high_page_is_cut_and_a_huge_picture_is_refused(driving: Driving, site: Site) -> None:
    await driving.goto(site.page("/high", "<div style='height:40000px'></div>"))
    page = (await driving.run(screenshot=pb.Screenshot(full_page=True))).capture
    assert page.height == 16384
    noise = """<canvas width=2000 height=2000></canvas><script>
      const c = document.querySelector('canvas').getContext('2d'), i = c.createImageData(2000, 2000);
      for (let n = 0; n < i.data.length; n++) i.data[n] = n % 4 == 3 ? 255 : Math.random() * 255;
      c.putImageData(i, 0, 0)</script>"""
    await driving.goto(site.page("/noise", noise))
    error = await fails(driving.run(screenshot=pb.Screenshot(format=pb.IMAGE_FORMAT_PNG, full_page=True)))
    assert (error.reason_name, error.metadata["quota"]) == ("QUOTA_EXCEEDED", "capture_bytes")


async def test_prints(driving: Driving, site: Site) -> None:
    await driving.goto(site.page("/print", "<h1>Invoice</h1>"))
    for landscape in (False, True):
        printed = (await driving.run(print_pdf=pb.PrintPdf(landscape=landscape, background=True))).capture
        assert printed.media_type == "application/pdf"
        assert printed.data.startswith(b"%PDF")


async def test_evaluates_expressions_and_functions_with_an_argument(driving: Driving, site: Site) -> None:
    await driving.goto(site.page("/evaluate", "<p>x</p>"))
    assert await evaluate(driving, "1 + 1") == 2
    assert await evaluate(driving, "null") is None
    argument = json_format.Parse('{"a": [1, "b", null]}', Value())
    result = await driving.run(evaluate=pb.Evaluate(script="v => ({...v, ok: true})", argument=argument))
    assert json_format.MessageToDict(result.value) == {"a": [1, "b", None], "ok": True}


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ("nope", "ReferenceError: nope is not defined"),
        ("(", "SyntaxError: Unexpected end of input"),
        ("() => { throw new Error('mine') }", "Error: mine"),
        ("() => NaN", "The result is not JSON."),
        ("() => new Date()", "The result is not JSON."),
    ],
)
async def test_a_script_that_fails_says_why(driving: Driving, script: str, cause: str) -> None:
    error = await fails(driving.run(evaluate=pb.Evaluate(script=script)))
    assert (error.reason_name, error.metadata["cause"]) == ("EVALUATE_FAILED", cause)


async def test_storage_goes_out_and_into_another_lease(browser: BrowserClient, driving: Driving, site: Site) -> None:
    url = site.page(
        "/store",
        "<script>localStorage.k ||= 'kept'; document.cookie ||= 'c=1'; document.title = localStorage.k + document.cookie</script>",
    )
    await driving.goto(url)
    state = (await driving.run(get_storage_state=pb.GetStorageState())).storage_state
    assert [cookie["name"] for cookie in json.loads(state)["cookies"]] == ["c"]
    changed = state.replace(b"kept", b"brought")
    async with browser.drive(storage_state=changed) as other:
        assert (await other.goto(url)).tab.title == "broughtc=1"
    async with browser.drive() as fresh:
        assert (await fresh.goto(url)).tab.title == "keptc=1"


async def test_a_lease_has_the_viewport_that_was_asked_for_in_every_tab(browser: BrowserClient, site: Site) -> None:
    url = site.page("/viewport", "<script>document.title = innerWidth + 'x' + innerHeight</script>")
    async with browser.drive(viewport=pb.Viewport(width=500, height=400)) as driving:
        assert (driving.lease.viewport.width, driving.lease.viewport.height) == (500, 400)
        assert (await driving.goto(url)).tab.title == "500x400"
        opened = await driving.run(open_tab=pb.OpenTab(url=url))
        assert opened.tab.title == "500x400"
