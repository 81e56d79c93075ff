"""Waiting for a page, and answering its dialogs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from meshwright.browser import failures
from meshwright.browser.actions.navigation import WAIT_UNTIL

if TYPE_CHECKING:
    from meshwright.browser.job import Job
    from meshwright.v1 import browser_pb2


async def wait(job: Job, request: browser_pb2.Wait) -> None:
    """Wait until the condition holds."""
    page = job.page
    match request.WhichOneof("condition"):
        case "text":
            await page.get_by_text(request.text).filter(visible=True).first.wait_for(timeout=0)
        case "text_gone":
            shown = page.get_by_text(request.text_gone).filter(visible=True)
            await shown.first.wait_for(state="hidden", timeout=0)
        case "url_glob":
            await page.wait_for_url(request.url_glob, wait_until="commit", timeout=0)
        case "load_state":
            state = WAIT_UNTIL[request.load_state]
            if state != "commit":
                await page.wait_for_load_state(state, timeout=0)
        case "duration":
            await asyncio.sleep(request.duration.seconds + request.duration.nanos / 1e9)


async def answer_dialog(job: Job, request: browser_pb2.AnswerDialog) -> None:
    """Accept or dismiss the dialog that the page has open."""
    dialog = job.tab.dialog
    if dialog is None:
        raise failures.not_actionable("", "NO_DIALOG")
    job.tab.show_dialog(None)
    if request.accept:
        await dialog.accept(request.text)
    else:
        await dialog.dismiss()
