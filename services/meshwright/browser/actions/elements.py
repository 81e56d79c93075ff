"""Acting on elements: click, type, press, select, hover, scroll."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from meshwright.browser import failures
from meshwright.browser.settling import settling
from meshwright.v1 import browser_pb2

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from playwright.async_api import Locator

    from meshwright.browser.job import Job

    Button = Literal["left", "middle", "right"]

BUTTONS: Mapping[int, Button] = {
    browser_pb2.MOUSE_BUTTON_UNSPECIFIED: "left",
    browser_pb2.MOUSE_BUTTON_LEFT: "left",
    browser_pb2.MOUSE_BUTTON_RIGHT: "right",
    browser_pb2.MOUSE_BUTTON_MIDDLE: "middle",
}
# What Playwright's log says last about an element that does not become actionable, in our words.
CAUSES = (
    ("intercepts pointer events", "COVERED"),
    ("element is outside of the viewport", "OUTSIDE_VIEWPORT"),
    ("element is not visible", "HIDDEN"),
    ("element is not enabled", "DISABLED"),
    ("element is not editable", "READ_ONLY"),
    ("element is not stable", "MOVING"),
    ("did not find some options", "NO_SUCH_OPTION"),
    ("option being selected is not enabled", "DISABLED"),
    ("Element is not an <input>", "NOT_EDITABLE"),
    ("Cannot type text into", "NOT_EDITABLE"),
    ("Malformed value", "MALFORMED_VALUE"),
    ("cannot be filled", "NOT_EDITABLE"),
    ("Element is not a <select>", "NOT_A_LIST"),
)
VANISHED = ("does not match any element", "Frame was detached", "aria-ref selector", "context was destroyed")
# The page took the action and has not answered since.
PERFORMED = ("performing ", "click action done")


async def find(job: Job, element: browser_pb2.Element) -> Locator:
    """The element of the latest snapshot that the ref names. Raises STALE_REF."""
    return await resolve(job, element.ref, element.snapshot_id)


async def resolve(job: Job, ref: str, snapshot_id: str = "") -> Locator:
    """As `find`."""
    stale = failures.stale_ref(ref, snapshot_id or job.tab.snapshot_id)
    if not job.tab.snapshot_id or snapshot_id not in ("", job.tab.snapshot_id):
        raise stale
    locator = job.page.get_by_ref(ref)
    try:
        found = await locator.count()
    except PlaywrightError as error:
        if any(sign in error.message for sign in VANISHED):
            raise stale from None
        raise
    if not found:
        raise stale
    return locator


async def click(job: Job, request: browser_pb2.Click) -> None:
    """Click an element."""
    locator = await find(job, request.element)
    clicking = locator.click(
        button=BUTTONS[request.button],
        click_count=request.count or 1,
        modifiers=cast("Any", list(request.modifiers)),
        timeout=job.patience(),
    )
    async with settling(job.page):
        await act(job, request.element.ref, clicking)


async def hover(job: Job, request: browser_pb2.Hover) -> None:
    """Move the pointer over an element."""
    locator = await find(job, request.element)
    await act(job, request.element.ref, locator.hover(timeout=job.patience()))


async def type_text(job: Job, request: browser_pb2.Type) -> None:
    """Put text into an element, instead of what is there or after it."""
    ref = request.element.ref
    locator = await find(job, request.element)
    if request.append:
        await act(job, ref, locator.evaluate(CARET_TO_END, timeout=job.patience()))
        await act(job, ref, locator.press_sequentially(request.text, timeout=0))
    else:
        await act(job, ref, locator.fill(request.text, timeout=job.patience()))
    if request.submit:
        async with settling(job.page):
            await act(job, ref, locator.press("Enter", timeout=job.patience()))


CARET_TO_END = """element => {
  element.focus();
  if ('selectionStart' in element) {
    try { element.setSelectionRange(element.value.length, element.value.length); } catch {}
  } else if (element.isContentEditable) {
    getSelection().selectAllChildren(element);
    getSelection().collapseToEnd();
  }
}"""


async def press(job: Job, request: browser_pb2.Press) -> None:
    """Press a key, in an element or where the focus is."""
    locator = await find(job, request.element) if request.HasField("element") else None
    try:
        async with settling(job.page):
            if locator is None:
                await job.page.keyboard.press(request.key)
            else:
                await act(job, request.element.ref, locator.press(request.key, timeout=job.patience()))
    except PlaywrightError as error:
        if "Unknown key" in error.message:
            raise failures.unknown_key(request.key) from None
        raise


async def select(job: Job, request: browser_pb2.Select) -> None:
    """Choose options of a list by value or label."""
    locator = await find(job, request.element)
    async with settling(job.page):
        await act(job, request.element.ref, locator.select_option(list(request.values), timeout=job.patience()))


async def scroll(job: Job, request: browser_pb2.Scroll) -> None:
    """Scroll to an element, or the page by so many pixels."""
    if request.HasField("element"):
        locator = await find(job, request.element)
        await act(job, request.element.ref, locator.scroll_into_view_if_needed(timeout=job.patience()))
    else:
        await _scroll_page(job, request)


async def _scroll_page(job: Job, request: browser_pb2.Scroll) -> None:
    while True:
        try:
            await job.page.evaluate(SCROLL_PAGE, [request.delta_x, request.delta_y])
        except PlaywrightError as error:
            # The page is on its way elsewhere; the next one scrolls.
            if "context was destroyed" not in error.message:
                raise
        else:
            return


# The document itself, or on pages that scroll in a box of their own, the innermost box in the middle of the viewport.
SCROLL_PAGE = """([x, y]) => {
  const scrolls = node => {
    const style = getComputedStyle(node);
    const down = node.scrollHeight > node.clientHeight && /auto|scroll|overlay/.test(style.overflowY);
    const across = node.scrollWidth > node.clientWidth && /auto|scroll|overlay/.test(style.overflowX);
    return y ? down : across;
  };
  const root = document.scrollingElement || document.documentElement;
  let target = root;
  if (root.scrollHeight <= root.clientHeight && root.scrollWidth <= root.clientWidth) {
    let node = document.elementFromPoint(innerWidth / 2, innerHeight / 2);
    while (node && node !== root && !scrolls(node)) node = node.parentElement;
    target = node || root;
  }
  target.scrollBy({left: x, top: y, behavior: 'instant'});
}"""


T = TypeVar("T")


async def act(job: Job, ref: str, action: Awaitable[T]) -> T:
    """Await the action. Raises ELEMENT_NOT_ACTIONABLE, or STALE_REF when the element has left the page meanwhile."""
    try:
        return await action
    except PlaywrightError as error:
        if any(sign in error.message for sign in VANISHED):
            raise failures.stale_ref(ref, job.tab.snapshot_id) from None
        late = isinstance(error, PlaywrightTimeoutError)
        cause = next((ours for theirs, ours in CAUSES if theirs in error.message), "")
        if not cause and (not late or any(sign in error.message for sign in PERFORMED)):
            raise
        with suppress(PlaywrightError):
            if not await job.page.get_by_ref(ref).count():
                raise failures.stale_ref(ref, job.tab.snapshot_id) from None
        raise failures.not_actionable(ref, cause or "NOT_READY") from None
