"""browser.wait."""

from __future__ import annotations

from typing import Self

from google.protobuf.duration_pb2 import Duration
from pydantic import Field, model_validator

from meshwright.serving.errors import MeshError
from meshwright.tools.browsing.page import OnTab, Page, act, claim_tab, fail_showing
from meshwright.tools.context import CallContext
from meshwright.tools.failure import tool_failed
from meshwright.tools.output import Output
from meshwright.tools.tool import Annotations, tool
from meshwright.v1 import browser_pb2
from meshwright.v1 import error_reason_pb2 as reasons


class WaitArguments(OnTab):
    """Arguments of browser.wait: exactly one thing to wait for."""

    text: str = Field(default="", max_length=1024, description="Wait until this text is visible.")
    text_gone: str = Field(default="", max_length=1024, description="Wait until this text is gone.")
    url: str = Field(
        default="", max_length=2048, description="Wait until the address matches this glob, such as **/done."
    )
    idle: bool = Field(default=False, description="Wait until the page has loaded and its network is quiet.")
    seconds: float = Field(
        default=10.0, gt=0, le=60, description="How long at most; with nothing else to wait for, how long exactly."
    )

    @model_validator(mode="after")
    def _one_condition(self) -> Self:
        if sum(map(bool, (self.text, self.text_gone, self.url, self.idle))) > 1:
            raise ValueError("must name only one of text, text_gone, url and idle")
        return self


@tool(
    "browser.wait", Annotations(read_only=True, idempotent=True, open_world=True, default_timeout=75.0), claim=claim_tab
)
async def browser_wait(args: WaitArguments, call: CallContext) -> Output[Page]:
    """Waits for something to happen on a page: a text to appear or to go, an address, quiet, or just some time.
    Returns the page as it is afterwards. Only needed where a page goes on working after an action."""
    command = browser_pb2.BrowserCommand(wait=_condition(args))
    if not command.wait.HasField("duration"):
        command.timeout.CopyFrom(_seconds(args.seconds))
    try:
        return await act(call, command, f"Waiting {_told(args)}")
    except MeshError as error:
        if error.reason != reasons.ERROR_REASON_DEADLINE_EXCEEDED or not call.remaining():
            raise
        await fail_showing(call, tool_failed(f"Waited {args.seconds:g} s {_told(args)} in vain."))


def _condition(args: WaitArguments) -> browser_pb2.Wait:
    if args.text:
        return browser_pb2.Wait(text=args.text)
    if args.text_gone:
        return browser_pb2.Wait(text_gone=args.text_gone)
    if args.url:
        return browser_pb2.Wait(url_glob=args.url)
    if args.idle:
        return browser_pb2.Wait(load_state=browser_pb2.LOAD_STATE_NETWORK_IDLE)
    return browser_pb2.Wait(duration=_seconds(args.seconds))


def _told(args: WaitArguments) -> str:
    if args.text:
        return f"for {args.text!r} to appear"
    if args.text_gone:
        return f"for {args.text_gone!r} to go"
    if args.url:
        return f"for the address {args.url}"
    return "for the page to be quiet" if args.idle else f"{args.seconds:g} s"


def _seconds(seconds: float) -> Duration:
    duration = Duration()
    duration.FromMilliseconds(round(seconds * 1000))
    return duration


TOOLS = (browser_wait,)
