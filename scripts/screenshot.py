"""Draw docs/images/page.png anew: a mesh of its own, a real Chromium, a task, and the page as it looks when the task is done.

Usage: python scripts/screenshot.py
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.async_api import async_playwright, expect

from meshwright import Mesh
from meshwright.browser.chromium import install

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Page

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
PREFERRED_PORT = 8080
START_SECONDS = 60.0
STOP_SECONDS = 20.0
TASK_MILLISECONDS = 60_000
EARLIER_TASKS = ("Search for lamp in the demo shop", "Read the reviews of the demo shop")
NOTE = "Write 'At most $500 for both, please.' to budget.txt"
TASK = (
    "Compare http://{address}/demo/products/desk-lamp and http://{address}/demo/products/standing-desk, "
    "read budget.txt and take a screenshot"
)


def free_port() -> int:
    """The port that people know from the README where nobody uses it, and any free one otherwise."""
    for port in (PREFERRED_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise SystemExit("No free port on 127.0.0.1.")


@contextlib.asynccontextmanager
async def running_mesh(data_dir: Path) -> AsyncIterator[str]:
    """`meshwright up` without a language model; gives its address."""
    port = free_port()
    settings = {name: value for name, value in os.environ.items() if not name.startswith("MESHWRIGHT_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "meshwright.cli", "up", "--port", str(port), "--data-dir", str(data_dir)),
        *("--model", "offline"),
        env=settings,
        stdout=sys.stderr,
    )
    try:
        address = f"localhost:{port}"
        async with Mesh(address) as mesh:
            await mesh.wait_ready(START_SECONDS)
        yield address
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()


async def prepared_session(address: str) -> str:
    """A session with a file in its workspace, behind a few others."""
    async with Mesh(address) as mesh:
        for task in EARLIER_TASKS:
            await mesh.ask(task)
        session = await mesh.create_session(title="A lamp and a desk")
        await session.ask(NOTE)
        return session.session_id


async def draw(browser: Browser, address: str, session_id: str) -> None:
    """Send the task as a person does, and keep the page in its light and its dark colours."""
    page = await browser.new_page(viewport={"width": 1200, "height": 1090}, device_scale_factor=1.5)
    await page.goto(f"http://{address}/sessions/{session_id}")
    await page.get_by_label("Task", exact=True).fill(TASK.format(address=address))
    await page.keyboard.press("Enter")
    await finished(page)
    # Away from the field, whose focus would be drawn.
    await page.locator("body").click(position={"x": 1190, "y": 1080})
    await page.emulate_media(color_scheme="light")
    await page.screenshot(path=IMAGES / "page.png", animations="disabled")
    await page.emulate_media(color_scheme="dark")
    await page.screenshot(path=IMAGES / "page-dark.png", animations="disabled")


async def finished(page: Page) -> None:
    """Wait for the answer's last part: what the run took in all."""
    await expect(page.get_by_text(re.compile(r"s · \d+ tool calls"))).to_be_visible(timeout=TASK_MILLISECONDS)
    await page.wait_for_function("[...document.images].every((image) => image.complete)")


async def main() -> None:
    """Draw."""
    executable = install(lambda line: print(line, file=sys.stderr)).path
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="meshwright-picture-") as folder:
        async with running_mesh(Path(folder)) as address, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=executable)
            try:
                await draw(browser, address, await prepared_session(address))
            finally:
                await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
