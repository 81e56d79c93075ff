"""Playwright's driver: the Node.js process between us and one Chromium."""

from __future__ import annotations

import asyncio
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psutil
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import async_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.async_api import Playwright

DRIVER_ERRORS = (PlaywrightError, RuntimeError)
"""What commands to a driver fail with. The second is the loop's word for writing to one that has just died."""
STOP_SECONDS = 5.0
# Two that start at once could not tell whose process is whose, nor have different environments.
_starting = asyncio.Lock()


class Driver:
    """A running driver. When it ends, for whatever cause, its Chromium ends: their pipe closes."""

    def __init__(self, playwright: Playwright, process: psutil.Process | None) -> None:
        self.playwright = playwright
        self.process = process
        """The operating system's process; None if it could not be found."""

    @classmethod
    async def start(cls, folder: Path) -> Driver:
        """Start one whose temporary files, and its browser's, are in `folder`. Raises what is in DRIVER_ERRORS, or OSError."""
        async with _starting:
            before = {child.pid for child in psutil.Process().children()}
            starting = asyncio.create_task(_start(folder))
            try:
                playwright = await asyncio.shield(starting)
            except asyncio.CancelledError:
                # Cut in the middle, Playwright would leave its process behind, which goes on writing where its files are.
                await _stop_unwanted(starting)
                raise
            new = [child for child in psutil.Process().children() if child.pid not in before]
        return cls(playwright, new[0] if new else None)

    async def stop(self) -> None:
        """End it. Takes at most a few seconds and never raises."""
        with suppress(*DRIVER_ERRORS, TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self.playwright.stop()
        self.kill()

    def kill(self) -> None:
        """End it at once."""
        if self.process is not None:
            with suppress(psutil.Error):
                self.process.kill()


async def _start(folder: Path) -> Playwright:
    with _temporary_files_in(folder):
        try:
            return await async_playwright().start()
        except (*DRIVER_ERRORS, OSError):
            raise
        except Exception as error:
            # The library's word for a driver that ended at once is an error of no kind. Nor is it one of the browser's, which
            # would be tried without its sandbox then.
            raise ConnectionError(str(error)) from error


async def _stop_unwanted(starting: asyncio.Task[Playwright]) -> None:
    with suppress(*DRIVER_ERRORS, TimeoutError):
        async with asyncio.timeout(STOP_SECONDS):
            await (await starting).stop()


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """The driver copies our environment when it starts; there is no other way to tell it where to write."""
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before
