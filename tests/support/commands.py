"""Programs as a person runs them, with what they print."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.mesh_process import MESHWRIGHT, clean_environment
from tests.support.own_words import within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PATIENCE = 60.0


@dataclass(frozen=True)
class Finished:
    """How a program ended and what it printed."""

    code: int
    out: str
    err: str


async def run(program: Path | str, *arguments: str, stdin: str = "", **environment: str) -> Finished:
    """Run a program to its end. It does not hang: after 40 s it is killed and the test fails."""
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=clean_environment(**environment),
    )
    talk = asyncio.ensure_future(process.communicate(stdin.encode()))
    try:
        await asyncio.wait((talk,), timeout=PATIENCE)
        hung = not talk.done()
    finally:
        if process.returncode is None:
            process.kill()
        out, err = await talk
    assert not hung, f"it did not end within {PATIENCE:g} s; it printed:\n{out.decode()}\n{err.decode()}"
    assert process.returncode is not None
    return Finished(process.returncode, out.decode(), err.decode())


async def meshwright_run(address: str, task: str, *options: str) -> Finished:
    """`meshwright run TASK` at the mesh."""
    return await run(MESHWRIGHT, "run", task, "--address", address, *options)


@contextlib.asynccontextmanager
async def started(program: Path | str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program at work, with pipes; it is killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=clean_environment(),
    )
    try:
        yield process
    finally:
        await _end(process)


async def line_with(stream: asyncio.StreamReader | None, text: str) -> str:
    """The first line from now on that contains the text."""
    assert stream is not None
    seen: list[str] = []
    async with within(PATIENCE, lambda: "".join(seen)):
        while line := (await stream.readline()).decode():
            if text in line:
                return line
            seen.append(line)
    raise AssertionError(f"{text!r} was not printed, but:\n{''.join(seen)}")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.communicate()
