"""The search indexes of a server: one for each session's workspace, one for each document folder."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from meshwright.tools.search_index import SearchIndex

if TYPE_CHECKING:
    from pathlib import Path

    from meshwright.tools.context import CallContext
    from meshwright.tools.search_index import Hit
    from meshwright.tools.workspaces import Place


class SearchIndexes:
    """Indexes under one folder. They are made from the files when they are missing, so they may be deleted at any time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turns: WeakValueDictionary[Path, asyncio.Lock] = WeakValueDictionary()

    async def search(self, call: CallContext, place: Place, expression: str, limit: int) -> list[Hit]:
        """The passages below the place that match the FTS5 expression best."""
        if place.root is call.session.files.workspace:
            database = self._of_workspace(call.session.home)
        else:
            database = self._of_documents(place)
        index = SearchIndex(place.root, database)
        # Waiting here rather than for SQLite keeps the threads free for others.
        turn = self._turns.setdefault(database, asyncio.Lock())
        async with turn:
            return await call.in_thread(lambda job: index.search(expression, place.parts, limit, job))

    def delete(self, home: str) -> None:
        """Deletes the index of a session's workspace. Blocks."""
        database = self._of_workspace(home)
        for end in ("", "-wal", "-shm"):
            database.with_name(database.name + end).unlink(missing_ok=True)

    def _of_workspace(self, home: str) -> Path:
        return self._folder / "workspaces" / f"{home}.sqlite3"

    def _of_documents(self, place: Place) -> Path:
        name = f"{place.root.folder}\0{place.root.shown(())}"
        return self._folder / "documents" / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.sqlite3"
