"""Performing one command: its deadline, and what Playwright says translated into errors of the contract."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from meshwright.browser import failures
from meshwright.browser.driver import DRIVER_ERRORS
from meshwright.v1.browser_pb2 import BrowserResult

if TYPE_CHECKING:
    from meshwright.browser.job import Action, Job
    from meshwright.browser.tab import Tab
    from meshwright.v1 import browser_pb2

DESCRIBE_SECONDS = 1.0
CRASH_SECONDS = 0.5
"""How long after its symptoms the news of a crash may come."""


async def perform(action: Action, job: Job, message: Any) -> BrowserResult:
    """Do it within its deadline. Raises MeshError; anything else is a defect."""
    limit = asyncio.timeout(job.seconds)
    try:
        async with limit:
            result = await _attempt(action, job, message) or BrowserResult()
    except TimeoutError:
        if limit.expired():
            raise failures.deadline_exceeded(job.seconds) from None
        raise
    except PlaywrightTimeoutError:
        raise failures.deadline_exceeded(round(time.monotonic() - job.started, 3)) from None
    result.tab.CopyFrom(await _described(job.tab))
    result.duration.FromNanoseconds(round((time.monotonic() - job.started) * 1e9))
    return result


async def _attempt(action: Action, job: Job, message: Any) -> BrowserResult | None:
    tab = job.tab
    try:
        if not action.in_turn:
            return await action.handler(job, message)
        await tab.dialog_gone.wait()
        _check(action, job)
        if action.ends_at_dialog:
            return await _until_dialog(action, job, message)
        return await action.handler(job, message)
    except PlaywrightTimeoutError:
        raise
    except DRIVER_ERRORS:
        # What an action has no word for comes from the end of its tab, whatever the driver calls it then.
        await _expect_crash(job)
        raise


def _check(action: Action, job: Job) -> None:
    """Refuse a command whose tab ended while it waited for its turn."""
    if job.tab.crashed and not action.mends:
        raise failures.browser_crashed(job.lease.lease_id)
    if job.tab.gone.is_set() and not job.tab.crashed:
        raise failures.tab_not_found(job.tab.tab_id)


async def _until_dialog(action: Action, job: Job, message: Any) -> BrowserResult | None:
    work = asyncio.ensure_future(action.handler(job, message))
    dialog = asyncio.ensure_future(job.tab.dialog_opened.wait())
    try:
        await asyncio.wait({work, dialog}, return_when=asyncio.FIRST_COMPLETED)
        return work.result() if work.done() else None
    finally:
        for task in (work, dialog):
            task.cancel()
        await asyncio.gather(work, dialog, return_exceptions=True)


async def _expect_crash(job: Job) -> None:
    """Raise what became of the tab, of whose end the news may be on its way."""
    tab = job.tab
    with suppress(TimeoutError):
        async with asyncio.timeout(CRASH_SECONDS):
            await tab.gone.wait()
    if tab.crashed:
        raise failures.browser_crashed(job.lease.lease_id)
    if not tab.is_open:
        raise failures.tab_not_found(tab.tab_id)


async def _described(tab: Tab) -> browser_pb2.Tab:
    with suppress(TimeoutError):
        async with asyncio.timeout(DESCRIBE_SECONDS):
            return await tab.describe()
    return tab.describe_roughly()
