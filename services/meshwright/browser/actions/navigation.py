"""Going to addresses, through the history, and opening and closing tabs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

from playwright.async_api import Error as PlaywrightError

from meshwright.browser import failures
from meshwright.browser.addresses import checked
from meshwright.browser.tab import clean
from meshwright.egress.refusals import DENIED, DOWN, NO_TUNNEL, ask, cause_in
from meshwright.serving.errors import MeshError
from meshwright.v1 import browser_pb2
from meshwright.v1.browser_pb2 import BrowserResult, Navigation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from playwright.async_api import Response

    from meshwright.browser.job import Job

    WaitUntil = Literal["commit", "domcontentloaded", "load", "networkidle"]

BLANK = "about:blank"
NETWORK_CHANGES = 4
"""So many on the way to a page are put up with. A container makes two or three within a second."""
ERROR_PAGE = 'interrupted by another navigation to "chrome-error:'
"""What the attempt before has left, coming late."""
WAIT_UNTIL: Mapping[int, WaitUntil] = {
    browser_pb2.LOAD_STATE_UNSPECIFIED: "domcontentloaded",
    browser_pb2.LOAD_STATE_COMMITTED: "commit",
    browser_pb2.LOAD_STATE_DOM_CONTENT_LOADED: "domcontentloaded",
    browser_pb2.LOAD_STATE_LOADED: "load",
    browser_pb2.LOAD_STATE_NETWORK_IDLE: "networkidle",
}


async def navigate(job: Job, request: browser_pb2.Navigate) -> BrowserResult:
    """Go to an address."""
    return await _go(job, request.url, request.wait_until)


async def history(job: Job, request: browser_pb2.History) -> BrowserResult:
    """Go back or forward, or reload."""
    page = job.page
    if request.move == browser_pb2.HISTORY_MOVE_RELOAD:
        return await _arrive(job, page.url, again(partial(page.reload, wait_until="domcontentloaded", timeout=0)))
    step = -1 if request.move == browser_pb2.HISTORY_MOVE_BACK else 1
    past = await (await job.tab.cdp()).send("Page.getNavigationHistory")
    entries, target = past["entries"], past["currentIndex"] + step
    # The blank page with which every tab begins is not a place that anybody went to.
    if not 0 <= target < len(entries) or (target == 0 and entries[0]["url"] == BLANK):
        raise failures.navigation_failed(page.url, "NO_HISTORY")
    move = page.go_back if step < 0 else page.go_forward
    return await _arrive(job, entries[target]["url"], move(wait_until="domcontentloaded", timeout=0))


async def open_tab(job: Job, request: browser_pb2.OpenTab) -> BrowserResult | None:
    """Open a tab, which the lease has numbered already, and go to an address if one is named."""
    tab, lease = job.tab, job.lease
    try:
        if request.url:
            checked(request.url)
        page = await lease.isolate.context.new_page()
        lease.events.attach_page(tab, page)
        await lease.events.fit(page)
        return await _go(job, request.url, request.wait_until) if request.url else None
    except BaseException:
        if tab.dialog is None:
            _forget(job)
        raise


async def close_tab(job: Job, _request: browser_pb2.CloseTab) -> None:
    """Close the tab; the last one stays, blank."""
    if len(job.lease.tabs) == 1 and not job.tab.crashed:
        await _arrive(job, BLANK, job.page.goto(BLANK, timeout=0))
    else:
        _forget(job)


def _forget(job: Job) -> None:
    job.lease.tabs.remove(job.tab)
    job.tab.gone.set()
    if job.tab.page is not None:
        job.lease.events.dispose(job.tab.page)


async def list_tabs(job: Job, _request: browser_pb2.ListTabs) -> BrowserResult:
    """List the tabs."""
    tabs = [await tab.describe() for tab in job.lease.tabs if tab.is_open]
    return BrowserResult(tabs=browser_pb2.TabList(tabs=tabs))


async def _go(job: Job, url: str, wait_until: browser_pb2.LoadState.ValueType) -> BrowserResult:
    checked(url)
    return await _arrive(job, url, again(partial(job.page.goto, url, wait_until=WAIT_UNTIL[wait_until], timeout=0)))


async def again(go: Callable[[], Awaitable[Response | None]]) -> Response | None:
    """Go, and go again where a network came to the machine or left it meanwhile, such as a container's.

    Chromium gives up every connection that it is making then, to wherever.
    """
    for _ in range(NETWORK_CHANGES):
        try:
            return await go()
        except PlaywrightError as error:
            if failures.net_error(error.message) != "ERR_NETWORK_CHANGED" and ERROR_PAGE not in error.message:
                raise
    return await go()


async def _arrive(job: Job, url: str, going: Awaitable[Response | None]) -> BrowserResult:
    job.tab.leaving = True
    try:
        response = await going
    except PlaywrightError as error:
        if "Download is starting" in error.message:
            return BrowserResult(navigation=Navigation(download=True))
        if failure := await _failure(job, url, error):
            raise failure from None
        raise
    finally:
        job.tab.leaving = False
    if response is not None and (cause := cause_in(response.url, response.headers)):
        raise _refusal(response.url, cause)
    return BrowserResult(navigation=Navigation(http_status=response.status if response else 0))


async def _failure(job: Job, url: str, error: PlaywrightError) -> MeshError | None:
    """Why a page did not come, as far as that is a matter of the page or of the way to it."""
    cause = failures.net_error(error.message)
    if cause == "ERR_INVALID_URL" or "invalid URL" in error.message:
        return failures.invalid_url(url)
    if cause == NO_TUNNEL:
        # A redirect may have led to another address than the one that was asked for.
        url = await _failed_address(job) or url
        cause = await ask(job.lease.isolate.process.proxy, url)
    if not cause and "interrupted by another navigation" in error.message:
        cause = "INTERRUPTED"
    return _refusal(url, cause) if cause else None


def _refusal(url: str, cause: str) -> MeshError:
    url = clean(url, failures.MAX_URL_IN_ERROR)
    if cause == DENIED:
        return failures.egress_denied(url)
    if cause == DOWN:
        return failures.egress_down()
    return failures.navigation_failed(url, cause)


async def _failed_address(job: Job) -> str:
    """The address that the tab shows as one that did not come; empty where it shows something else."""
    tree = await (await job.tab.cdp()).send("Page.getFrameTree")
    return str(tree["frameTree"]["frame"].get("unreachableUrl", ""))
