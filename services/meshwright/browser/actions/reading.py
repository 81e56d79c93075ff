"""Reading pages: as ARIA text, by a script, their storage."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Value
from playwright.async_api import Error as PlaywrightError

from meshwright.browser import failures
from meshwright.browser.actions.elements import act, resolve
from meshwright.browser.snapshot_text import fit
from meshwright.v1.browser_pb2 import BrowserResult, PageSnapshot

if TYPE_CHECKING:
    from meshwright.browser.job import Job
    from meshwright.v1 import browser_pb2

DEFAULT_SNAPSHOT_BYTES = 24_576


async def snapshot(job: Job, request: browser_pb2.Snapshot) -> BrowserResult:
    """Read the page, or the part of it under a ref, as ARIA text with refs."""
    if request.ref:
        part = await resolve(job, request.ref)
        text = await act(job, request.ref, part.aria_snapshot(mode="ai", boxes=True, timeout=0))
    else:
        text = await job.page.aria_snapshot(mode="ai", boxes=True, timeout=0)
    terms = job.lease.terms
    fitted = fit(text, request.max_bytes or DEFAULT_SNAPSHOT_BYTES, terms.width, terms.height)
    return BrowserResult(
        snapshot=PageSnapshot(
            snapshot_id=job.tab.next_snapshot(),
            text=fitted.text,
            truncated=fitted.truncated,
            total_bytes=fitted.total_bytes,
        )
    )


async def evaluate(job: Job, request: browser_pb2.Evaluate) -> BrowserResult:
    """Evaluate a script, where the operator allows it."""
    if not job.settings.browser_evaluate:
        raise failures.evaluate_disabled()
    argument = json_format.MessageToDict(request.argument) if request.HasField("argument") else None
    try:
        found = await job.page.evaluate(request.script, argument)
    except PlaywrightError as error:
        if error.name == "TargetClosedError" or "crashed" in error.message:
            raise
        raise failures.evaluate_failed(error.message) from None
    value = Value()
    try:
        json_format.Parse(json.dumps(found, allow_nan=False), value)
    except (TypeError, ValueError, RecursionError, json_format.ParseError):
        raise failures.evaluate_failed("The result is not JSON.") from None
    return BrowserResult(value=value)


async def get_storage_state(job: Job, _request: browser_pb2.GetStorageState) -> BrowserResult:
    """Read cookies and storage."""
    state = await job.lease.isolate.context.storage_state()
    return BrowserResult(storage_state=json.dumps(state, separators=(",", ":")).encode())
