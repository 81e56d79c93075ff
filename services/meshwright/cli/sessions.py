"""`meshwright sessions`: the sessions of a mesh."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from meshwright.cli.exit_codes import ExitCode
from meshwright.cli.run.advice import advice
from meshwright.cli.run.command import exit_code_of, tell
from meshwright.cli.run.display import printable
from meshwright.client import Mesh, MeshError, SessionInfo


def print_sessions(limit: int, address: str | None) -> int:
    """Print the sessions, the last used first; the exit code."""
    try:
        sessions = asyncio.run(latest(limit, address))
    except ValueError as error:
        return tell(str(error), ExitCode.USAGE)
    except MeshError as error:
        return tell(advice(error), exit_code_of(error))
    console = Console()
    if console.is_terminal:
        console.print(table(sessions))
    else:
        for session in sessions:
            title = " ".join(printable(session.title).split())
            sys.stdout.write(f"{session.session_id}\t{_when(session)}\t{state(session)}\t{title}\n")
    return ExitCode.OK


async def latest(limit: int, address: str | None) -> list[SessionInfo]:
    """So many sessions, the last used first. Raises MeshError."""
    async with Mesh(address) as mesh:
        return await latest_of(mesh, limit)


async def latest_of(mesh: Mesh, limit: int) -> list[SessionInfo]:
    """So many sessions of an open mesh, the last used first. Raises MeshError."""
    found: list[SessionInfo] = []
    async for session in mesh.sessions(page_size=min(limit, 200)):
        found.append(session)
        if len(found) == limit:
            break
    return found


def table(sessions: list[SessionInfo]) -> Table:
    """The sessions for a terminal."""
    shown = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    for name in ("session", "last used", "state", "title"):
        shown.add_column(name, no_wrap=True, overflow="ellipsis" if name == "title" else "fold")
    for session in sessions:
        shown.add_row(session.session_id, _when(session), state(session), Text(printable(session.title)))
    return shown


def state(session: SessionInfo) -> str:
    """What goes on in it."""
    waiting = f", {session.queued_runs} waiting" if session.queued_runs else ""
    return ("at work" if session.active_run_id else "idle") + waiting


def _when(session: SessionInfo) -> str:
    used = session.update_time or session.create_time or datetime.fromtimestamp(0, UTC)
    return used.astimezone().strftime("%Y-%m-%d %H:%M:%S")
