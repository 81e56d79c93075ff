"""What the calls of one stream share: the session's files, its browser, its artifacts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from meshwright.serving.authentication.principals import home_of
from meshwright.serving.calls import current_principal
from meshwright.tools.session_browser import SessionBrowser

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from meshwright.tools.frames import Frame
    from meshwright.tools.workbench import Workbench
    from meshwright.tools.workspaces import FileRoots
    from meshwright.v1.tool_service_pb2 import ExecuteStart


class ToolSession:
    """One session of the current principal as one stream sees it. Two streams of a session share its files, and have a browser each."""

    def __init__(self, bench: Workbench, start: ExecuteStart, emit: Callable[[Frame], Awaitable[None]]) -> None:
        self.home = home_of(current_principal(), start.session_id)
        """Where its files are; other principals' sessions of the same id have another."""
        self.settings = bench.settings
        self.registry = bench.registry
        self.order = bench.order
        self.threads = bench.threads
        self.artifacts = bench.artifacts
        self.search = bench.search
        self.slots = asyncio.Semaphore(bench.settings.tools_parallel_calls)
        """Calls of this stream that may run at once."""
        self.files: FileRoots = bench.workspaces.of(self.home)
        self.browser = SessionBrowser(
            bench.browsers,
            start.session_id,
            emit,
            bench.order,
            idle_seconds=bench.settings.browser_idle_seconds,
            storage_state=start.browser_storage_state,
            url=start.browser_url,
        )

    async def close(self, *, save: bool) -> None:
        """Gives back what the session holds; with `save` the client learns what a later browser needs. May be called twice."""
        await self.browser.close(save=save)
