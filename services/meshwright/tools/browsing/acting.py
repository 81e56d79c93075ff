"""Tools that act on a page as a person does: browser.click, browser.type, browser.press, browser.select, browser.scroll."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from meshwright.tools.browsing.page import OnTab, Page, Ref, act, claim_tab, element
from meshwright.tools.context import CallContext
from meshwright.tools.output import Output
from meshwright.tools.tool import Annotations, tool
from meshwright.v1 import browser_pb2

ACTS_ON_WEB = Annotations(open_world=True, default_timeout=30.0)
SCREEN_PIXELS = 700
BUTTONS = {
    "left": browser_pb2.MOUSE_BUTTON_LEFT,
    "right": browser_pb2.MOUSE_BUTTON_RIGHT,
    "middle": browser_pb2.MOUSE_BUTTON_MIDDLE,
}


class ClickArguments(OnTab):
    """Arguments of browser.click."""

    ref: Ref
    button: Literal["left", "right", "middle"] = Field(default="left", description="Button of the mouse.")
    count: int = Field(default=1, ge=1, le=3, description="2 for a double click.")
    modifiers: list[Literal["Alt", "Control", "Meta", "Shift"]] = Field(
        default_factory=list, max_length=4, description="Keys to hold while clicking."
    )


@tool("browser.click", ACTS_ON_WEB, claim=claim_tab)
async def browser_click(args: ClickArguments, call: CallContext) -> Output[Page]:
    """Clicks an element: a link, a button, a checkbox. Returns the page as it is afterwards."""
    click = browser_pb2.Click(
        element=element(call, args.ref),
        button=BUTTONS[args.button],
        count=args.count,
        modifiers=args.modifiers,
    )
    return await act(call, browser_pb2.BrowserCommand(click=click), f"Clicking {args.ref}")


class TypeArguments(OnTab):
    """Arguments of browser.type."""

    ref: Ref
    text: str = Field(max_length=65_536, description="Text to enter. It replaces what is there.")
    submit: bool = Field(default=False, description="Press Enter afterwards, to send the form or start the search.")
    append: bool = Field(default=False, description="Keep what is there and type key by key behind it.")


@tool("browser.type", ACTS_ON_WEB, claim=claim_tab)
async def browser_type(args: TypeArguments, call: CallContext) -> Output[Page]:
    """Types text into a field of a page. Returns the page as it is afterwards."""
    entry = browser_pb2.Type(element=element(call, args.ref), text=args.text, append=args.append, submit=args.submit)
    return await act(call, browser_pb2.BrowserCommand(type=entry), f"Typing into {args.ref}")


class PressArguments(OnTab):
    """Arguments of browser.press."""

    key: str = Field(
        min_length=1, max_length=64, description="Key or chord in DOM's names: Enter, Escape, ArrowDown, Control+A."
    )
    ref: str = Field(
        default="",
        pattern=r"^([a-z0-9]{1,32})?$",
        description="Ref of the element to focus first. Leave it out to press the key wherever the focus is.",
    )


@tool("browser.press", ACTS_ON_WEB, claim=claim_tab)
async def browser_press(args: PressArguments, call: CallContext) -> Output[Page]:
    """Presses a key or a chord. Returns the page as it is afterwards."""
    press = browser_pb2.Press(key=args.key, element=element(call, args.ref) if args.ref else None)
    return await act(call, browser_pb2.BrowserCommand(press=press), f"Pressing {args.key}")


class SelectArguments(OnTab):
    """Arguments of browser.select."""

    ref: Ref
    values: list[str] = Field(max_length=64, description="Values or labels of the options to choose; none clears it.")


@tool("browser.select", ACTS_ON_WEB, claim=claim_tab)
async def browser_select(args: SelectArguments, call: CallContext) -> Output[Page]:
    """Chooses options of a dropdown list. Returns the page as it is afterwards."""
    choice = browser_pb2.Select(element=element(call, args.ref), values=args.values)
    return await act(call, browser_pb2.BrowserCommand(select=choice), f"Choosing in {args.ref}")


class ScrollArguments(OnTab):
    """Arguments of browser.scroll."""

    ref: str = Field(
        default="",
        pattern=r"^([a-z0-9]{1,32})?$",
        description="Ref of the element to bring into view. Leave it out to scroll the page.",
    )
    down: int = Field(
        default=SCREEN_PIXELS,
        ge=-100_000,
        le=100_000,
        description="Pixels to scroll the page down; negative scrolls up. Ignored with ref.",
    )


@tool(
    "browser.scroll",
    Annotations(read_only=True, open_world=True),
    claim=claim_tab,
)
async def browser_scroll(args: ScrollArguments, call: CallContext) -> Output[Page]:
    """Scrolls the page, for pages that load more as one scrolls. Page text shows what is out of sight too, so there is no
    need to scroll in order to read. Returns the page as it is afterwards."""
    if args.ref:
        scroll = browser_pb2.Scroll(element=element(call, args.ref))
    else:
        scroll = browser_pb2.Scroll(delta_y=args.down)
    return await act(call, browser_pb2.BrowserCommand(scroll=scroll), "Scrolling")


TOOLS = (browser_click, browser_type, browser_press, browser_select, browser_scroll)
