"""Where a run stands among the runs that were delegated."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meshwright.store.interface import Store


async def path_of(store: Store, principal: str, session_id: str, run_id: str) -> tuple[str, ...]:
    """Run ids from the root's child down to the run, as in `Event.agent_path`; empty for a root and where no run is named.

    SESSION_NOT_FOUND, RUN_NOT_FOUND.
    """
    path: list[str] = []
    while run_id:
        run = await store.get_run(principal, session_id, run_id)
        if run.parent_run_id:
            path.insert(0, run_id)
        run_id = run.parent_run_id
    return tuple(path)
