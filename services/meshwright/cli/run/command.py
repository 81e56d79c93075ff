"""`meshwright run`: a task from the command line to its exit code."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

from grpc import StatusCode
from rich.console import Console

from meshwright.cli.exit_codes import ExitCode
from meshwright.cli.interrupts import Interrupts
from meshwright.cli.run.advice import advice
from meshwright.cli.run.follow import follow
from meshwright.cli.run.json_lines import JsonDisplay
from meshwright.cli.run.plain import PlainDisplay
from meshwright.client import (
    FailedPrecondition,
    InvalidArgument,
    Mesh,
    MeshError,
    NotFound,
    RunFinished,
    RunOutcome,
    Unauthenticated,
    Unavailable,
)

if TYPE_CHECKING:
    from meshwright.cli.run.display import Display
    from meshwright.client import RunOptions

OUTCOMES = {
    RunOutcome.COMPLETED: ExitCode.OK,
    RunOutcome.CANCELLED: ExitCode.CANCELLED,
    RunOutcome.EXPIRED: ExitCode.EXPIRED,
}


def run(
    task: str, session_id: str | None, model: str, timeout: float | None, as_json: bool, address: str | None
) -> int:
    """Give the task, show the run, and return the exit code."""
    if task == "-":
        task = sys.stdin.read()
    options: RunOptions = {"model": model}
    if timeout is not None:
        options["timeout"] = timeout
    try:
        return asyncio.run(_run(task, session_id, options, choose_display(as_json), address))
    except ValueError as error:
        return tell(str(error), ExitCode.USAGE)
    except MeshError as error:
        return tell(advice(error), exit_code_of(error))
    except BrokenPipeError:
        # What is still in the buffer has nowhere to go either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OUTPUT_CLOSED


def choose_display(as_json: bool = False) -> Display:
    """JSON lines where asked for, the screen on a terminal, plain lines elsewhere."""
    if as_json:
        return JsonDisplay()
    console = Console()
    if not (console.is_terminal and sys.stderr.isatty()):
        return PlainDisplay()
    from meshwright.cli.run.screen import Screen

    return Screen(console)


def exit_code_of(error: MeshError) -> ExitCode:
    """The exit code for a request that was refused or could not be made."""
    if isinstance(error, InvalidArgument | NotFound | FailedPrecondition | Unauthenticated):
        return ExitCode.USAGE
    if isinstance(error, Unavailable) or error.code is StatusCode.DEADLINE_EXCEEDED:
        return ExitCode.UNREACHABLE
    return ExitCode.FAILED


def tell(text: str, code: ExitCode) -> ExitCode:
    """Print an error for people; the exit code."""
    sys.stderr.write(f"meshwright: {text}\n")
    return code


async def _run(
    task: str, session_id: str | None, options: RunOptions, display: Display, address: str | None
) -> ExitCode:
    async with Mesh(address) as mesh:
        stream = mesh.session(session_id).run(task, **options) if session_id else mesh.run(task, **options)
        with Interrupts() as interrupts, display:
            finished = await follow(mesh, stream, display, interrupts)
    if finished is None:
        return ExitCode.INTERRUPTED
    return _tell_outcome(finished)


def _tell_outcome(finished: RunFinished) -> ExitCode:
    code = OUTCOMES.get(finished.outcome, ExitCode.FAILED)
    if finished.outcome is RunOutcome.CANCELLED:
        tell("The run was cancelled.", code)
    elif finished.error is not None:
        tell(advice(finished.error), code)
    return code
