"""Commands that lead a tab elsewhere, wait, run scripts and take state along, through a real gRPC server and a real Chromium."""

from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Value

from meshwright.v1 import browser_pb2 as pb
from tests.support.browser_client import PATIENCE, BrowserClient, Driving, Site, browser_client, fails

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[BrowserClient]:
    async with browser_client(browser_evaluate=True) as (client, _server):
        yield client


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
            assert await driving.evaluate("p.textContent") == "done"


async def test_waiting_ends_at_the_deadline(driving: Driving, site: Site) -> None:
    await driving.goto(site.page("/never", "<p>here</p>"))
    for condition in (pb.Wait(text="never"), pb.Wait(text_gone="here"), pb.Wait(url_glob="**/never-ever")):
        started = time.monotonic()
        error = await fails(driving.run(timeout=0.2, wait=condition))
        assert (error.reason_name, error.metadata) == ("DEADLINE_EXCEEDED", {"timeout_ms": "200"})
        assert time.monotonic() - started < PATIENCE / 2


async def test_evaluates_expressions_and_functions_with_an_argument(driving: Driving, site: Site) -> None:
    await driving.goto(site.page("/evaluate", "<p>x</p>"))
    assert await driving.evaluate("1 + 1") == 2
    assert await driving.evaluate("null") is None
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
