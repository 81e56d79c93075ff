"""Waits for processes, which fail with what the process itself said."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Callable, Coroutine

T = TypeVar("T")


@contextlib.asynccontextmanager
async def within(seconds: float, said: Callable[[], str]) -> AsyncIterator[None]:
    """`asyncio.timeout` whose end is an AssertionError with what was said."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise AssertionError(f"what was awaited did not come within {seconds:g} s; it said:\n{said()}") from error


async def while_it_runs(
    process: Process, waiting: Coroutine[object, object, T], seconds: float, said: Callable[[], str]
) -> T:
    """What a process does. AssertionError with what it said when it ends before, or when the time is over."""
    doing, ending = asyncio.ensure_future(waiting), asyncio.ensure_future(process.wait())
    try:
        async with within(seconds, said):
            await asyncio.wait((doing, ending), return_when=asyncio.FIRST_COMPLETED)
        assert doing.done(), f"it ended with {process.returncode} before what was awaited; it said:\n{said()}"
        return await doing
    finally:
        ending.cancel()
        doing.cancel()
        await asyncio.wait((doing, ending))
