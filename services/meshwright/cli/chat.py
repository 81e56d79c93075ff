"""`meshwright chat`: one message after the other in a session."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from meshwright.cli.exit_codes import ExitCode
from meshwright.cli.interrupts import Interrupts
from meshwright.cli.run.advice import advice
from meshwright.cli.run.command import choose_display, exit_code_of, tell
from meshwright.cli.run.follow import follow
from meshwright.cli.sessions import latest_of, table
from meshwright.client import Mesh, MeshError, RunOutcome, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meshwright.client import RunOptions, Session

HISTORY_LINES = 1000
LISTED_SESSIONS = 20
HELP = """\
/new            begin a new session
/sessions       list the latest sessions
/session ID     go on in another session
/help           show this
Ctrl-C          cancel the run, or clear the line
Ctrl-D          leave"""


def chat(session_id: str | None, model: str, address: str | None) -> int:
    """Talk until the person leaves; the exit code."""
    options: RunOptions = {"model": model} if model else {}
    try:
        with asyncio.Runner() as runner, _line_editing():
            conversation = runner.run(_open(session_id, options, address))
            try:
                _read_and_obey(runner, conversation)
            finally:
                runner.run(conversation.mesh.close())
    except ValueError as error:
        return tell(str(error), ExitCode.USAGE)
    except MeshError as error:
        return tell(advice(error), exit_code_of(error))
    return ExitCode.OK


async def _open(session_id: str | None, options: RunOptions, address: str | None) -> Conversation:
    mesh = Mesh(address)
    try:
        agent = await mesh.agent()
        session = mesh.session(session_id) if session_id else None
        if session is not None:
            await session.info()
    except BaseException:
        await mesh.close()
        raise
    console = Console(stderr=True, highlight=False)
    console.print(f"{options.get('model') or agent.model} at {mesh.address}. /help shows what there is.", style="dim")
    for task in agent.example_tasks[:3] if session is None else ():
        console.print(f"  {task}", style="dim", markup=False)
    return Conversation(mesh, session, options, console)


def _read_and_obey(runner: asyncio.Runner, conversation: Conversation) -> None:
    while True:
        try:
            line = input("> ").strip()
            if line:
                runner.run(conversation.obey(line))
        except KeyboardInterrupt:
            sys.stderr.write("\n")
        except EOFError:
            sys.stderr.write("\n")
            return


class Conversation:
    """A session and what is done in it."""

    def __init__(self, mesh: Mesh, session: Session | None, options: RunOptions, console: Console) -> None:
        self.mesh = mesh
        self._session = session
        self._options = options
        self._console = console

    async def obey(self, line: str) -> None:
        """Carry out a command, or give the agent a task. What the mesh refuses is told, and the conversation goes on."""
        command, _, argument = line.partition(" ")
        try:
            match command:
                case "/help":
                    self._console.print(HELP)
                case "/new":
                    self._session = None
                    self._console.print("A new session begins with the next message.", style="dim")
                case "/sessions":
                    self._console.print(table(await latest_of(self.mesh, LISTED_SESSIONS)))
                case "/session":
                    await self._change_to(argument.strip())
                case _ if command.startswith("/"):
                    self._console.print(f"There is no {command}. /help shows what there is.", markup=False)
                case _:
                    await self._run(line)
        except MeshError as error:
            tell(advice(error), ExitCode.FAILED)
            if isinstance(error, Unavailable):
                self._console.print("Try again, or leave with Ctrl-D.", style="dim")

    async def _change_to(self, session_id: str) -> None:
        session = self.mesh.session(session_id)
        info = await session.info()
        self._session = session
        self._console.print(f"{info.title or info.session_id}", style="dim", markup=False)

    async def _run(self, task: str) -> None:
        if self._session is None:
            self._session = await self.mesh.create_session()
        display = choose_display()
        with Interrupts() as interrupts, display:
            stream = self._session.run(task, **self._options)
            finished = await follow(self.mesh, stream, display, interrupts)
        if finished is None:
            self._console.print("The run may still be at work in the session.", style="dim")
        elif finished.outcome is RunOutcome.CANCELLED:
            self._console.print("The run was cancelled.", style="dim")
        elif finished.error is not None:
            tell(advice(finished.error), ExitCode.FAILED)


@contextlib.contextmanager
def _line_editing() -> Iterator[None]:
    """Arrow keys and a history that outlives the program, where the system has readline."""
    try:
        import readline
    except ImportError:
        yield
        return
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "meshwright"
    history = state / "chat_history"
    with contextlib.suppress(OSError):
        readline.read_history_file(history)
    readline.set_history_length(HISTORY_LINES)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
            readline.write_history_file(history)
            history.chmod(0o600)
