"""What all sessions of one tools server share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from meshwright.serving.address import are_replicas
from meshwright.serving.channel import open_channel
from meshwright.serving.startup import StartupError
from meshwright.store.artifacts import ArtifactStore
from meshwright.tools.browser_lease import Browsers
from meshwright.tools.order import KeyedOrder
from meshwright.tools.registry import Registry
from meshwright.tools.search_indexes import SearchIndexes
from meshwright.tools.threads import Threads
from meshwright.tools.workspaces import Workspaces

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from meshwright.tools.settings import ToolSettings
    from meshwright.tools.tool import Tool

FILE_THREADS = 8


class Workbench:
    """The tools of a server and what they work with. Made by `open_workbench`."""

    def __init__(
        self,
        settings: ToolSettings,
        tools: Iterable[Tool],
        browsers: Browsers,
        artifacts: ArtifactStore,
        threads: Threads,
    ) -> None:
        self.settings = settings
        self.registry = Registry(tools)
        self.browsers = browsers
        self.artifacts = artifacts
        self.threads = threads
        self.workspaces = Workspaces(settings)
        self.search = SearchIndexes(settings.data_dir / "search")
        self.order = KeyedOrder()
        """Turns on tabs and files, across all streams."""

    def delete_files(self, home: str) -> None:
        """Deletes the workspace of the session whose home it is, and what is known of it. Blocks."""
        self.workspaces.delete(home)
        self.search.delete(home)


@asynccontextmanager
async def open_workbench(settings: ToolSettings, tools: Iterable[Tool]) -> AsyncIterator[Workbench]:
    """Opens what the tools work with, and closes it at the end. Raises StartupError."""
    try:
        artifacts = ArtifactStore(settings.artifacts_url)
    except ValueError as error:
        message = f"MESHWRIGHT_FILES_URL: {error}"
        raise StartupError(message) from error
    pool = ThreadPoolExecutor(FILE_THREADS, thread_name_prefix="files")
    channel = open_channel(*settings.browser_address)
    browsers = Browsers(channel, several=are_replicas(settings.browser_address))
    try:
        yield Workbench(settings, tools, browsers, artifacts, Threads(pool))
    finally:
        await channel.close()
        pool.shutdown(wait=False, cancel_futures=True)
