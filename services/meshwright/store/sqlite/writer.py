"""The one writer of the embedded store: operations gather while a transaction is under way and are committed together."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import structlog

from meshwright.serving.errors import MeshError
from meshwright.v1 import error_reason_pb2 as reasons

T = TypeVar("T")
log = structlog.get_logger(__name__)


class Operation(NamedTuple):
    """One change: a function of the connection, what to do in the event loop once it is committed, and who waits for it."""

    change: Callable[[sqlite3.Connection], Any]
    committed: Callable[[Any], None] | None
    future: asyncio.Future[Any]


class Writer:
    """Runs changes in one thread, in the order in which they came.

    Self-clocking group commit: a quiet store commits each change at once, a busy one commits all that came during the last
    transaction. Every change either happens whole or not at all, whatever its neighbours do.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._pending: list[Operation] = []
        self._busy = False
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    def submit(
        self, change: Callable[[sqlite3.Connection], T], committed: Callable[[T], None] | None = None
    ) -> asyncio.Future[T]:
        """Have a change made. `committed` is called in the event loop, in the order of the changes, before the future resolves."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._closed:
            future.set_exception(_closed())
            return future
        self._pending.append(Operation(change, committed, future))
        if not self._busy:
            self._begin()
        return future

    async def close(self) -> None:
        """Finish what was submitted and close the connection."""
        self._closed = True
        await self._idle.wait()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.close)
        self._thread.shutdown()

    def _begin(self) -> None:
        batch, self._pending = self._pending, []
        self._busy = True
        self._idle.clear()
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._thread, self._commit, batch)
        work.add_done_callback(lambda done: self._end(batch, done))

    def _commit(self, batch: Sequence[Operation]) -> list[Any]:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            results = [_attempt(connection, operation) for operation in batch]
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        return results

    def _end(self, batch: Sequence[Operation], done: asyncio.Future[list[Any]]) -> None:
        error = done.exception()
        if error is not None:
            log.error("store.commit_failed", changes=len(batch), exc_info=error)
        results = [_unavailable()] * len(batch) if error is not None else done.result()
        for operation, result in zip(batch, results, strict=True):
            _settle(operation, result)
        if self._pending:
            self._begin()
        else:
            self._busy = False
            self._idle.set()


def _attempt(connection: sqlite3.Connection, operation: Operation) -> Any:
    """The change's result, or the MeshError with which it refused; a change refuses before it writes anything."""
    try:
        return operation.change(connection)
    except MeshError as refusal:
        return refusal


def _settle(operation: Operation, result: Any) -> None:
    if isinstance(result, MeshError):
        if not operation.future.done():
            operation.future.set_exception(result)
        return
    if operation.committed is not None:
        operation.committed(result)
    if not operation.future.done():
        operation.future.set_result(result)


def _unavailable() -> MeshError:
    return MeshError(reasons.ERROR_REASON_UNAVAILABLE, "The store could not be written.", metadata={"service": "store"})


def _closed() -> MeshError:
    return MeshError(reasons.ERROR_REASON_UNAVAILABLE, "The store is closed.", metadata={"service": "store"})
