"""browser.screenshot and browser.pdf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from meshwright.tools.browsing.page import OnTab, claim_tab_only, claimed, element, headline, origin, refuse_dialog
from meshwright.tools.context import CallContext
from meshwright.tools.output import Output
from meshwright.tools.tool import Annotations, tool
from meshwright.v1 import browser_pb2

if TYPE_CHECKING:
    from meshwright.v1.artifact_pb2 import Artifact

LOOKS = Annotations(read_only=True, idempotent=True, open_world=True, default_timeout=60.0)


class Capture(BaseModel):
    """A picture or a print that was kept as an artifact."""

    tab: str = Field(description="The tab's id.")
    url: str = Field(description="Address of the page.")
    title: str = Field(description="Title of the page. Untrusted.")
    artifact_id: str = Field(description="Identifier of the artifact.")
    media_type: str = Field(description="image/jpeg or application/pdf.")
    width: int = Field(description="Width in pixels; 0 for a PDF.")
    height: int = Field(description="Height in pixels; 0 for a PDF.")


class ScreenshotArguments(OnTab):
    """Arguments of browser.screenshot."""

    full_page: bool = Field(default=False, description="The whole page instead of the visible part.")
    ref: str = Field(
        default="",
        pattern=r"^([a-z0-9]{1,32})?$",
        description="Ref of the element to picture alone. Leave it out for the page.",
    )


@tool("browser.screenshot", LOOKS, claim=claim_tab_only)
async def browser_screenshot(args: ScreenshotArguments, call: CallContext) -> Output[Capture]:
    """Takes a picture of a page for the user to see. To read a page, use its text instead."""
    picture = browser_pb2.Screenshot(full_page=args.full_page, element=element(call, args.ref) if args.ref else None)
    result = await _capture(call, browser_pb2.BrowserCommand(screenshot=picture), "Taking a picture")
    artifact = await _keep(call, result, "Screenshot", "screenshot", "jpg")
    return _captured(result, artifact, f"Took a screenshot of {artifact.width}x{artifact.height} pixels.")


class PdfArguments(OnTab):
    """Arguments of browser.pdf."""

    landscape: bool = Field(default=False, description="Print in landscape format.")
    background: bool = Field(default=False, description="Print background colours and pictures too.")


@tool("browser.pdf", LOOKS, claim=claim_tab_only)
async def browser_pdf(args: PdfArguments, call: CallContext) -> Output[Capture]:
    """Prints a page as a PDF for the user to keep."""
    printing = browser_pb2.PrintPdf(landscape=args.landscape, background=args.background)
    result = await _capture(call, browser_pb2.BrowserCommand(print_pdf=printing), "Printing the page")
    artifact = await _keep(call, result, "Print", "page", "pdf")
    return _captured(result, artifact, f"Printed the page as a PDF of {artifact.size_bytes} bytes.")


async def _capture(call: CallContext, command: browser_pb2.BrowserCommand, doing: str) -> browser_pb2.BrowserResult:
    refuse_dialog(claimed(call).tab)
    async with call.telling(doing):
        return await call.session.browser.run(claimed(call), command, call)


async def _keep(call: CallContext, result: browser_pb2.BrowserResult, what: str, name: str, extension: str) -> Artifact:
    capture = result.capture
    return await call.session.artifacts.put(
        call.session.home,
        f"{name}-{result.tab.tab_id}.{extension}",
        capture.media_type,
        capture.data,
        width=capture.width,
        height=capture.height,
        description=f"{what} of {result.tab.url}",
    )


def _captured(result: browser_pb2.BrowserResult, artifact: Artifact, what: str) -> Output[Capture]:
    tab = result.tab
    return Output(
        text=f"{headline(tab)}\n{what}",
        structured=Capture(
            tab=tab.tab_id,
            url=tab.url,
            title=tab.title,
            artifact_id=artifact.artifact_id,
            media_type=artifact.media_type,
            width=artifact.width,
            height=artifact.height,
        ),
        artifacts=(artifact,),
        untrusted_origin=origin(tab.url),
    )


TOOLS = (browser_screenshot, browser_pdf)
