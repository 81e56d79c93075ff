"""How commands are sent: what is sent again, for how long, and what failures are called."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from redis.exceptions import (
    AskError,
    BusyLoadingError,
    ClusterDownError,
    MovedError,
    ReadOnlyError,
    RedisError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as LostConnectionError
from redis.exceptions import TimeoutError as AnswerTimeoutError

from meshwright.serving.errors import MeshError
from meshwright.v1 import error_reason_pb2 as reasons

T = TypeVar("T")
SERVER_FAILURES = (RedisError, OSError)
LOST = (AnswerTimeoutError, LostConnectionError, OSError)
"""Nobody knows whether the command was carried out."""
REFUSED = (AskError, BusyLoadingError, ClusterDownError, MovedError, ReadOnlyError, TryAgainError)
"""It was not, and may be soon: a server starts, a slot moves, a replica takes over."""
PASSING = (*LOST, *REFUSED)
PATIENCE_SECONDS = 5.0
"""A command that could not be carried out for so long fails."""
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.5
CLOSED = ("handler is closed", "has no attribute 'writelines'")
"""Words for writing to a connection that has just closed, which the client's library lets through."""

Client = Any
"""redis-py's annotations promise less than it gives: commands are awaitable, keys and values are bytes. See `connecting.connect`."""


class ClosedConnectionError(LostConnectionError):
    """The connection closed before the command was written: nothing of it has been sent."""


UNSENT = (ClosedConnectionError,)


def place_of(url: str) -> str:
    """Where the server is, without name and password."""
    parts = urlsplit(url)
    try:
        return f"{parts.hostname}:{parts.port or 6379}" if parts.hostname else parts.path
    except ValueError:
        return "an address that cannot be read"


def unavailable(message: str = "The store does not answer.") -> MeshError:
    """UNAVAILABLE."""
    return MeshError(reasons.ERROR_REASON_UNAVAILABLE, message, metadata={"service": "store"})


async def answered(command: Awaitable[T]) -> T:
    """A command's answer. UNAVAILABLE."""
    try:
        return await heeding(command)
    except SERVER_FAILURES as error:
        raise unavailable() from error


async def heeding(command: Awaitable[T]) -> T:
    """A command's answer, where the task is not cancelled meanwhile.

    A cancellation that comes as the command has been sent is lost in the client's library (`asyncio.wait_for` before Python 3.12), so
    it is made good here. A connection that is closed by then is one that the server has lost.
    """
    task = asyncio.current_task()
    cancelled_before = task.cancelling() if task else 0
    failure: Exception | None = None
    try:
        answer = await _written(command)
    except SERVER_FAILURES as error:
        failure = error
    if task and task.cancelling() > cancelled_before:
        raise asyncio.CancelledError from failure
    if failure is not None:
        raise failure
    return answer


async def insisting(command: Callable[[], Awaitable[T]], passing: tuple[type[Exception], ...]) -> T:
    """A command's answer; as long as it fails in one of these ways and PATIENCE_SECONDS are not over it is tried again."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_SECONDS
    pause = FIRST_PAUSE
    while True:
        try:
            return await heeding(command())
        except passing:
            if loop.time() + pause > deadline:
                raise
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


async def _written(command: Awaitable[T]) -> T:
    """A command's answer. ClosedConnectionError."""
    try:
        return await command
    except (RuntimeError, AttributeError) as error:
        if not any(word in str(error) for word in CLOSED):
            raise
        raise ClosedConnectionError("The connection was closed.") from error
