"""Running the browser service as a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshwright.browser.service import browser_service
from meshwright.serving.process import run

if TYPE_CHECKING:
    from meshwright.browser.settings import BrowserSettings


def run_browser(settings: BrowserSettings) -> int:
    """Serve until SIGTERM or SIGINT; the exit code."""
    return run(browser_service(settings), settings)
