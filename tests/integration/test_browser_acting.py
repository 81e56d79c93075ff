"""Commands that act on a page: what each does, and why one cannot be done."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from aiohttp import web

from meshwright.v1 import browser_pb2 as pb
from tests.support.browser_client import BrowserClient, Driving, Site, browser_client, fails

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
        assert await driving.evaluate("document.getElementById('name').value") == expected
    for name, selector, read in (("Note", "textarea", "value"), ("Rich", "[contenteditable]", "textContent")):
        element = await driving.element(f'textbox "{name}"')
        await driving.run(type=pb.Type(element=element, text="!", append=True))
        value = await driving.evaluate(f"document.querySelector('{selector}').{read}")
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
    assert await driving.evaluate("[...document.querySelectorAll('input')].map(i => i.value)") == ["z", "xY"]
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
        found = await driving.evaluate(chosen)
        assert isinstance(found, list)
        assert found[index] == expected


async def test_hovers(driving: Driving, site: Site) -> None:
    await driving.goto(site.page("/form", FORM))
    element = await driving.element('button "Hover"')
    assert (await driving.run(hover=pb.Hover(element=element))).tab.title == "over"


async def test_scrolls_the_page_a_box_and_to_an_element(driving: Driving, site: Site) -> None:
    await driving.goto(site.page("/tall", "<div style='height:5000px'>Top</div><button>Bottom</button>"))
    await driving.run(scroll=pb.Scroll(delta_y=700))
    assert await driving.evaluate("scrollY") == 700
    await driving.run(scroll=pb.Scroll(element=await driving.element("Bottom")))
    assert await driving.evaluate("scrollY > 4000")
    box = "<body style='margin:0;overflow:hidden'><div id=box style='height:100vh;overflow:auto'><div style='height:4000px'>"
    await driving.goto(site.page("/box", box))
    await driving.run(scroll=pb.Scroll(delta_y=500))
    assert await driving.evaluate("document.getElementById('box').scrollTop") == 500


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
