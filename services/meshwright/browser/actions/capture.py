"""Pictures and prints of pages."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

from playwright.async_api import Error as PlaywrightError

from meshwright.browser import failures
from meshwright.browser.actions.elements import act, find
from meshwright.browser.image_size import image_size
from meshwright.v1 import browser_pb2
from meshwright.v1.browser_pb2 import BrowserResult, PageCapture

if TYPE_CHECKING:
    from meshwright.browser.job import Job

MAX_BYTES = 8 * 1024 * 1024
MAX_SIDE = 16_384
DEFAULT_QUALITY = 70
# A page that has not painted yet, or is about to be replaced, has no picture; it has one a frame later.
PAINT_SECONDS = 0.016


async def screenshot(job: Job, request: browser_pb2.Screenshot) -> BrowserResult:
    """Take a picture of the viewport, the whole page or an element."""
    png = request.format == browser_pb2.IMAGE_FORMAT_PNG
    options: dict[str, Any] = (
        {"format": "png"} if png else {"format": "jpeg", "quality": request.quality or DEFAULT_QUALITY}
    )
    if request.HasField("element"):
        options["clip"] = await _element_clip(job, request.element)
        options["captureBeyondViewport"] = True
    elif request.full_page:
        options["clip"] = await _page_clip(job)
        options["captureBeyondViewport"] = True
    data = await _capture(job, options)
    width, height = image_size(data)
    return _captured(PageCapture(data=data, media_type=f"image/{options['format']}", width=width, height=height))


async def print_pdf(job: Job, request: browser_pb2.PrintPdf) -> BrowserResult:
    """Print the page on A4."""
    data = await job.page.pdf(format="A4", landscape=request.landscape, print_background=request.background)
    return _captured(PageCapture(data=data, media_type="application/pdf"))


async def _capture(job: Job, options: dict[str, Any]) -> bytes:
    cdp = await job.tab.cdp()
    while True:
        try:
            taken = await cdp.send("Page.captureScreenshot", {"optimizeForSpeed": True, **options})
        except PlaywrightError as error:
            if "(Page.captureScreenshot)" not in error.message:
                raise
            await asyncio.sleep(PAINT_SECONDS)
        else:
            return base64.b64decode(taken["data"])


async def _page_clip(job: Job) -> dict[str, float]:
    size = (await (await job.tab.cdp()).send("Page.getLayoutMetrics"))["cssContentSize"]
    return _clip(0, 0, size["width"], size["height"])


async def _element_clip(job: Job, element: browser_pb2.Element) -> dict[str, float]:
    locator = await find(job, element)
    await act(job, element.ref, locator.scroll_into_view_if_needed(timeout=job.patience()))
    box = await act(job, element.ref, locator.bounding_box(timeout=job.patience()))
    if box is None or not box["width"] or not box["height"]:
        raise failures.not_actionable(element.ref, "HIDDEN")
    viewport = (await (await job.tab.cdp()).send("Page.getLayoutMetrics"))["cssVisualViewport"]
    left, top = box["x"] + viewport["pageX"], box["y"] + viewport["pageY"]
    return _clip(left, top, box["width"], box["height"])


def _clip(x: float, y: float, width: float, height: float) -> dict[str, float]:
    return {"x": x, "y": y, "width": min(width, MAX_SIDE), "height": min(height, MAX_SIDE), "scale": 1}


def _captured(capture: PageCapture) -> BrowserResult:
    if len(capture.data) > MAX_BYTES:
        raise failures.capture_too_large(len(capture.data), MAX_BYTES)
    return BrowserResult(capture=capture)
