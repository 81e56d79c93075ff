"""browser.open, browser.snapshot and browser.back."""

from __future__ import annotations

from pydantic import Field

from meshwright.serving.errors import MeshError
from meshwright.tools.browsing.address import require_web_address
from meshwright.tools.browsing.page import OnTab, Page, TabId, act, claim_tab, claimed, show
from meshwright.tools.context import CallContext
from meshwright.tools.output import Output
from meshwright.tools.session import ToolSession
from meshwright.tools.tabs import TabClaim
from meshwright.tools.tool import Annotations, tool
from meshwright.v1 import browser_pb2
from meshwright.v1 import error_reason_pb2 as reasons

READS_WEB = Annotations(read_only=True, idempotent=True, open_world=True, default_timeout=60.0)


class OpenArguments(OnTab):
    """Arguments of browser.open."""

    url: str = Field(description="Absolute http or https address, such as https://example.com/prices.")
    tab: TabId = Field(
        default="",
        description="Tab to open it in, such as t1. Leave it out for a new tab: several pages then load at once.",
    )


def claim_open(args: OpenArguments, session: ToolSession) -> TabClaim:
    """The named tab, or a new one."""
    return claim_tab(args, session) if args.tab else session.browser.tabs.claim_new()


@tool("browser.open", READS_WEB, claim=claim_open)
async def browser_open(args: OpenArguments, call: CallContext) -> Output[Page]:
    """Opens a web page and returns it as text. Elements carry refs, such as [ref=e12], for the other browser tools.
    To read several pages, open them all in one step: each gets a tab of its own and they load at the same time."""
    try:
        return await _open(args.url, call)
    except MeshError as error:
        if error.reason != reasons.ERROR_REASON_BROWSER_CRASHED:
            raise
    # Opening a page changes nothing here, so a browser that crashed under it is worth one more try.
    await call.progress("The browser crashed; opening the page in a new one")
    call.claim = call.session.browser.tabs.claim_new()
    return await _open(args.url, call)


async def _open(url: str, call: CallContext) -> Output[Page]:
    claim = claimed(call)
    try:
        require_web_address(url)
        return await act(call, browser_pb2.BrowserCommand(navigate=browser_pb2.Navigate(url=url)), f"Loading {url}")
    except BaseException:
        if claim.new:
            call.session.browser.abandon(claim.tab)
        raise


class SnapshotArguments(OnTab):
    """Arguments of browser.snapshot."""

    ref: str = Field(
        default="",
        pattern=r"^([a-z0-9]{1,32})?$",
        description="Ref of the element to show alone, for a page that is cut otherwise. Leave it out for the whole page.",
    )


@tool("browser.snapshot", READS_WEB, claim=claim_tab)
async def browser_snapshot(args: SnapshotArguments, call: CallContext) -> Output[Page]:
    """Returns the page of a tab as text with refs, as it is now. Tools that act on a page return this by themselves:
    use it only when a page changes by itself, or to see a part of a long page."""
    return await show(call, ref=args.ref)


@tool("browser.back", Annotations(open_world=True, default_timeout=60.0), claim=claim_tab)
async def browser_back(args: OnTab, call: CallContext) -> Output[Page]:
    """Goes one page back in the tab's history and returns that page."""
    move = browser_pb2.History(move=browser_pb2.HISTORY_MOVE_BACK)
    return await act(call, browser_pb2.BrowserCommand(history=move), "Going back")


TOOLS = (browser_open, browser_snapshot, browser_back)
