"""browser.tabs and browser.close_tab."""

from __future__ import annotations

from pydantic import BaseModel, Field

from meshwright.tools.arguments import Arguments
from meshwright.tools.browsing.page import OnTab, claim_tab_only, claimed, headline, origin
from meshwright.tools.context import CallContext
from meshwright.tools.output import Output
from meshwright.tools.tool import Annotations, tool
from meshwright.v1 import browser_pb2


class OpenTab(BaseModel):
    """A tab that is open."""

    tab: str = Field(description="The tab's id.")
    url: str = Field(description="Address of its page.")
    title: str = Field(description="Title of its page. Untrusted.")


class TabList(BaseModel):
    """The tabs that are open."""

    tabs: list[OpenTab] = Field(description="The oldest first.")


class NoArguments(Arguments):
    """No arguments."""


@tool("browser.tabs", Annotations(read_only=True, idempotent=True, open_world=True))
async def browser_tabs(args: NoArguments, call: CallContext) -> Output[TabList]:
    """Lists the tabs that are open, with their addresses and titles."""
    tabs = await call.session.browser.list_tabs(call)
    listed = [OpenTab(tab=tab.tab_id, url=tab.url, title=tab.title) for tab in tabs]
    origins = sorted({origin(tab.url) for tab in tabs} - {""})
    text = "\n".join(headline(tab) for tab in tabs) or "No tab is open."
    return Output(text=text, structured=TabList(tabs=listed), untrusted_origin=", ".join(origins))


class ClosedTab(BaseModel):
    """A tab that was closed."""

    tab: str = Field(description="The tab's id.")


@tool("browser.close_tab", Annotations(idempotent=True, open_world=True), claim=claim_tab_only)
async def browser_close_tab(args: OnTab, call: CallContext) -> Output[ClosedTab]:
    """Closes a tab that is no longer needed."""
    claim = claimed(call)
    await call.session.browser.run(claim, browser_pb2.BrowserCommand(close_tab=browser_pb2.CloseTab()), call)
    call.session.browser.tabs.forget(claim.tab)
    return Output(text=f"Closed the tab {claim.tab.tab_id}.", structured=ClosedTab(tab=claim.tab.tab_id))


TOOLS = (browser_tabs, browser_close_tab)
