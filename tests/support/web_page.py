"""Meshwright's own page in a real Chromium, as a person sees and uses it."""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from playwright.async_api import async_playwright, expect

from meshwright.browser import chromium

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Request

PATIENCE = 60_000
"""How long the page may take to show something, in milliseconds."""
LOST = re.compile(r"ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE_CHUNKED|ERR_SOCKET|50[0-9] \(")
"""What Chromium writes to the console when the mesh goes away, whatever the page does about it."""


class WebPage:
    """One browser tab. `complaints` collects what the page should never do: errors, refused content, foreign requests."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.sessions: set[str] = set()
        """The sessions whose address the page had."""
        page.on("console", self._hear)
        page.on("framenavigated", lambda frame: self.sessions.update(re.findall(r"/sessions/(ses_\w+)", frame.url)))
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.on("request", self._see)

    async def open(self, url: str) -> None:
        """Go to an address and wait until there is a place for a task."""
        await self.page.goto(url)
        await expect(self.task_field).to_be_visible(timeout=PATIENCE)

    async def send(self, task: str) -> Locator:
        """Type a task and press Enter; the run that it becomes."""
        await self.task_field.fill(task)
        await self.page.keyboard.press("Enter")
        return self.run(task)

    @property
    def task_field(self) -> Locator:
        """Where tasks are written."""
        return self.page.get_by_role("textbox", name="Task", exact=True)

    @property
    def stop(self) -> Locator:
        """The button that is there while a run is at work."""
        return self.page.get_by_role("button", name="Stop", exact=True)

    def run(self, task: str) -> Locator:
        """The run with this task."""
        return self.page.get_by_role("article", name=f"Task: {task}", exact=True)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not LOST.search(message.text):
            self.complaints.append(f"console {message.type}: {message.text}")

    def _see(self, request: Request) -> None:
        there, here = urlsplit(request.url), urlsplit(self.page.url)
        if there.scheme in ("http", "https") and here.netloc and there.netloc != here.netloc:
            self.complaints.append(f"request to {request.url}")


def answer(run: Locator) -> Locator:
    """What the agent answers in the run."""
    return run.get_by_role("group", name="Answer", exact=True)


def outcome(run: Locator) -> Locator:
    """What stands below a run that has ended."""
    return run.get_by_role("group", name="Outcome", exact=True)


def call(run: Locator, what: str) -> Locator:
    """The row of a tool call, such as `file.read notes.txt, succeeded`."""
    return run.get_by_role("button", name=what, exact=True)


@contextlib.asynccontextmanager
async def chromium_browser() -> AsyncIterator[Browser]:
    """A Chromium of the visitor, apart from those of the mesh."""
    found = chromium.find()
    assert found is not None, "Chromium is missing: run `make install`"
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(found.path), args=arguments)
        try:
            yield browser
        finally:
            await browser.close()
