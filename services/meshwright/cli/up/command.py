"""`meshwright up` from the first check to the last process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from meshwright.cli.exit_codes import ExitCode
from meshwright.cli.up.board import Board
from meshwright.cli.up.checks import (
    CannotStartError,
    check_clear_text,
    check_packages,
    check_port,
    check_store,
    lock_folder,
)
from meshwright.cli.up.console import LastingConsole
from meshwright.cli.up.greeting import greet
from meshwright.cli.up.mesh import LocalMesh
from meshwright.cli.up.plan import Plan, make_mesh_key, make_runtime_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from meshwright.cli.up.child import Child

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def up(host: str, port: int, data_dir: Path | None, model: str | None, open_page: bool) -> int:
    """Run a mesh until it is told to stop; the exit code."""
    console = LastingConsole()
    try:
        check_packages()
        check_clear_text()
        asyncio.run(check_store())
        port = check_port(host, port)
        folder = _data_folder(data_dir)
        lock = lock_folder(folder)
    except CannotStartError as error:
        console.print(escape(str(error)), style="red", highlight=False)
        return ExitCode.USAGE
    settings = {"MESHWRIGHT_MODEL": model} if model is not None else {}
    runtime_dir = make_runtime_dir()
    with lock:
        try:
            plan = Plan(host, port, folder, runtime_dir, settings)
            make_mesh_key(plan.mesh_key)
            return asyncio.run(_Command(plan, console, open_page).run())
        finally:
            shutil.rmtree(runtime_dir, ignore_errors=True)


def _data_folder(chosen: Path | None) -> Path:
    from meshwright.serving.settings import default_data_dir

    configured = os.environ.get("MESHWRIGHT_DATA_DIR")
    folder = (chosen or (Path(configured) if configured else default_data_dir())).expanduser().absolute()
    try:
        # What tasks said and pages showed is nobody else's business.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "logs").mkdir(exist_ok=True)
    except OSError as error:
        raise CannotStartError(
            f"The data folder {folder} cannot be made: {error.strerror}. Choose another one with --data-dir."
        ) from error
    return folder


class _Command:
    def __init__(self, plan: Plan, console: Console, open_page: bool) -> None:
        self._plan = plan
        self._console = console
        self._open_page = open_page
        self._board = Board(console)
        self._mesh = LocalMesh(plan, self._board.changed)
        self._started = time.monotonic()

    async def run(self) -> int:
        with _stop_signals() as stops:
            self._mesh.start()
            failing = asyncio.create_task(self._mesh.failed())
            running = asyncio.create_task(self._until_stopped(stops))
            try:
                await asyncio.wait({failing, running}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                running.cancel()
                failing.cancel()
                await asyncio.gather(running, return_exceptions=True)
            failed = failing.result() if failing.done() and not failing.cancelled() else None
            if failed is not None:
                self._tell_failure(failed)
            patient = await self._stop(stops)
            if not patient:
                return ExitCode.INTERRUPTED
            if failed is None:
                return ExitCode.OK
            return ExitCode.USAGE if failed.could_not_start else ExitCode.FAILED

    async def _until_stopped(self, stops: asyncio.Queue[signal.Signals]) -> None:
        stopped = asyncio.create_task(stops.get())
        starting = asyncio.create_task(self._start())
        try:
            await asyncio.wait({stopped, starting}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await stopped
        finally:
            stopped.cancel()
            starting.cancel()
            await asyncio.gather(starting, stopped, return_exceptions=True)

    async def _start(self) -> None:
        self._board.show(self._mesh.children)
        with self._board:
            await self._mesh.ready()
        await greet(self._plan, self._console, self._started)
        if self._open_page:
            import webbrowser

            await asyncio.to_thread(webbrowser.open, self._plan.url)

    async def _stop(self, stops: asyncio.Queue[signal.Signals]) -> bool:
        """Stop everything in order. False when a second signal made it short."""
        self._console.print("Stopping; Ctrl-C again ends everything at once.", style="dim", highlight=False)
        stopping = asyncio.create_task(self._mesh.stop())
        impatient = asyncio.create_task(stops.get())
        await asyncio.wait({stopping, impatient}, return_when=asyncio.FIRST_COMPLETED)
        impatient.cancel()
        if stopping.done():
            stopping.result()
            self._console.print("Stopped.", style="dim")
            return True
        await self._mesh.kill()
        await asyncio.gather(stopping, return_exceptions=True)
        return False

    def _tell_failure(self, child: Child) -> None:
        what = "cannot start" if child.could_not_start else child.news
        self._console.print(f"[bold red]{child.name} {escape(what)}.[/] Its last words:", highlight=False)
        for line in child.last_words():
            self._console.print(f"  {escape(line)}", highlight=False)
        self._console.print(f"All of them are in {escape(str(child.log))}", highlight=False)


@contextlib.contextmanager
def _stop_signals() -> Iterator[asyncio.Queue[signal.Signals]]:
    received: asyncio.Queue[signal.Signals] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, received.put_nowait, number)
    try:
        yield received
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
