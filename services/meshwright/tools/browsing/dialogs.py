"""browser.dialog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from meshwright.tools.browsing.page import OnTab, Page, claimed, show
from meshwright.tools.context import CallContext
from meshwright.tools.output import Output
from meshwright.tools.tool import Annotations, tool
from meshwright.v1 import browser_pb2

if TYPE_CHECKING:
    from meshwright.tools.session import ToolSession
    from meshwright.tools.tabs import TabClaim


class DialogArguments(OnTab):
    """Arguments of browser.dialog."""

    accept: bool = Field(description="Press OK; otherwise Cancel.")
    text: str = Field(default="", max_length=4096, description="What to enter, where the dialog asks for a text.")


def claim_dialog(args: OnTab, session: ToolSession) -> TabClaim:
    """The tab, out of turn: the calls before this one may be waiting for the dialog to go."""
    return session.browser.tabs.claim(args.tab, shows_page=True, in_turn=False)


@tool("browser.dialog", Annotations(open_world=True), claim=claim_dialog)
async def browser_dialog(args: DialogArguments, call: CallContext) -> Output[Page]:
    """Answers a dialog (alert, confirm, prompt) that a page has open. Returns the page as it is afterwards."""
    answer = browser_pb2.AnswerDialog(accept=args.accept, text=args.text)
    claim = claimed(call)
    await call.session.browser.run(claim, browser_pb2.BrowserCommand(answer_dialog=answer), call)
    claim.tab.dialog = None
    return await show(call)


TOOLS = (browser_dialog,)
