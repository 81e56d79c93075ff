"""How pages are shown to models: a line that says where one is, then the page as text with refs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NoReturn
from urllib.parse import urlsplit

from pydantic import BaseModel, Field

from meshwright.serving.errors import MeshError
from meshwright.tools.arguments import Arguments
from meshwright.tools.failure import ShownError, tool_failed
from meshwright.tools.output import Output
from meshwright.tools.tabs import TabClaim
from meshwright.v1 import browser_pb2
from meshwright.v1 import error_reason_pb2 as reasons

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meshwright.tools.context import CallContext
    from meshwright.tools.session import ToolSession
    from meshwright.tools.tabs import Tab

TabId = Annotated[
    str,
    Field(pattern=r"^([a-z0-9]{1,32})?$", description="Tab to act on, such as t1. Leave it out for the tab used last."),
]
Ref = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]{1,32}$",
        description="Ref of the element in the newest page text of the tab, such as e12 where it says [ref=e12].",
    ),
]

FOLLOWS = "The page comes with the last call of this step on the tab."
ANSWER = "Answer it with browser.dialog within 10 s; after that it is dismissed."
REFS_FAILED = frozenset({reasons.ERROR_REASON_STALE_REF, reasons.ERROR_REASON_ELEMENT_NOT_ACTIONABLE})


class OnTab(Arguments):
    """Arguments of a tool that acts on one tab."""

    tab: TabId = ""


class Page(BaseModel):
    """A page as it is after the call."""

    tab: str = Field(description="The tab's id.")
    url: str = Field(description="Address of the page.")
    title: str = Field(description="Title of the page. Untrusted.")
    http_status: int = Field(default=0, description="HTTP status of the page; 0 where there was none.")
    snapshot_id: str = Field(default="", description="Identifier of the snapshot; empty without one.")
    snapshot: str = Field(default="", description="The page as ARIA text with refs. Untrusted.")
    truncated: bool = Field(default=False, description="The snapshot was cut to its budget.")


def claim_tab(args: OnTab, session: ToolSession) -> TabClaim:
    """The tab that the arguments name, for a call that shows the page afterwards."""
    return session.browser.tabs.claim(args.tab, shows_page=True)


def claim_tab_only(args: OnTab, session: ToolSession) -> TabClaim:
    """The tab that the arguments name, for a call that does not show its text."""
    return session.browser.tabs.claim(args.tab)


def claimed(call: CallContext) -> TabClaim:
    """The call's place on its tab."""
    assert isinstance(call.claim, TabClaim)
    return call.claim


def element(call: CallContext, ref: str) -> browser_pb2.Element:
    """The element in the snapshot that the model saw when it made the call. Raises STALE_REF if it saw none."""
    snapshot_id = claimed(call).snapshot_id
    if not snapshot_id:
        raise MeshError(
            reasons.ERROR_REASON_STALE_REF,
            f"The ref {ref} comes from no page text of this tab. Take refs from the newest one.",
            metadata={"ref": ref},
        )
    return browser_pb2.Element(ref=ref, snapshot_id=snapshot_id)


async def act(call: CallContext, command: browser_pb2.BrowserCommand, doing: str) -> Output[Page]:
    """Runs the command on the claimed tab and shows the page afterwards. When a ref fails, the error shows the page too.

    `doing` is what people are told when it takes long.
    """
    tab = claimed(call).tab
    refuse_dialog(tab)
    try:
        async with call.telling(doing):
            result = await call.session.browser.run(claimed(call), command, call)
    except MeshError as error:
        if error.reason in REFS_FAILED:
            await fail_showing(call, error)
        raise
    if tab.dialog is not None and tab.dialog.is_open:
        return describe_dialog(tab, result)
    # The next call in line shows the page, and until then the refs that the model knows stay good.
    if any(isinstance(claim, TabClaim) and claim.shows_page for claim in call.claims_behind()):
        return describe(result, notes=[FOLLOWS])
    return await show(call, http_status=result.navigation.http_status)


async def fail_showing(call: CallContext, error: MeshError) -> NoReturn:
    """Raises the error with the page as it is now, or alone when the page cannot be read."""
    try:
        output = await show(call)
    except MeshError:
        raise error from None
    raise ShownError(error, output) from None


async def show(call: CallContext, *, ref: str = "", http_status: int = 0) -> Output[Page]:
    """The page of the claimed tab, or the part under a ref."""
    claim = claimed(call)
    budget = call.session.settings.snapshot_bytes
    command = browser_pb2.BrowserCommand(snapshot=browser_pb2.Snapshot(max_bytes=budget, ref=ref))
    refuse_dialog(claim.tab)
    result = await call.session.browser.run(claim, command, call)
    claim.tab.snapshot_id = result.snapshot.snapshot_id
    notes, claim.tab.notices = claim.tab.notices, []
    return describe(result, http_status, notes)


def describe(result: browser_pb2.BrowserResult, http_status: int = 0, notes: Sequence[str] = ()) -> Output[Page]:
    """What a command gave, as an output, with notes for the model before the page."""
    tab, snapshot = result.tab, result.snapshot
    status = http_status or result.navigation.http_status
    page = Page(
        tab=tab.tab_id,
        url=tab.url,
        title=tab.title,
        http_status=status,
        snapshot_id=snapshot.snapshot_id,
        snapshot=snapshot.text,
        truncated=snapshot.truncated,
    )
    place = headline(tab) + (f" (HTTP {status})" if status >= 400 else "")
    lines = [place, *(f"[{note}]" for note in notes), snapshot.text]
    return Output(
        text="\n".join(filter(None, lines)),
        structured=page,
        untrusted_origin=origin(tab.url),
        truncated=snapshot.truncated,
    )


def describe_dialog(tab: Tab, result: browser_pb2.BrowserResult) -> Output[Page]:
    """What a command gave that ended because the page opened a dialog."""
    assert tab.dialog is not None
    return describe(result, notes=[f"The page opened a dialog ({tab.dialog.kind}): {tab.dialog.message}", ANSWER])


def refuse_dialog(tab: Tab) -> None:
    """Raises TOOL_FAILED while the page has a dialog open: nothing else works until it is answered."""
    if tab.dialog is not None and tab.dialog.is_open:
        dialog = tab.dialog
        shown = Output[Page](
            text=f"[tab {tab.tab_id}] {tab.url}\n[The page has a dialog open ({dialog.kind}): {dialog.message}]",
            untrusted_origin=origin(tab.url),
        )
        raise ShownError(tool_failed(f"The page has a dialog open. {ANSWER}", tab_id=tab.tab_id), shown)
    tab.dialog = None


def headline(tab: browser_pb2.Tab) -> str:
    """One line that says which page is in the tab."""
    title = " ".join(tab.title.split())
    return f"[tab {tab.tab_id}] {title} — {tab.url}" if title else f"[tab {tab.tab_id}] {tab.url}"


def origin(url: str) -> str:
    """The page's origin, `https://example.com`; empty for blank pages."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else ""
