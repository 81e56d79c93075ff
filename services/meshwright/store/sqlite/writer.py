"""The one writer of the embedded store: operations gather for a moment and are committed together."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import structlog

from meshwright.serving.errors import MeshError
from meshwright.store.resting import rest_after
from meshwright.store.sqlite.checkpoints import Checkpoints
from meshwright.v1 import error_reason_pb2 as reasons

T = TypeVar("T")
log = structlog.get_logger(__name__)


class Operation(NamedTuple):
    """One change: a function of the connection, what to do in the event loop before it and after it, and who waits for it."""

    change: Callable[[sqlite3.Connection], Any]
    committed: Callable[[Any], None] | None
    future: asyncio.Future[Any]
    long: bool
    compose: Callable[[], None] | None


class Writer:
    """Makes changes in the order in which they came, in the event loop: a commit costs no fsync (see schema), so it takes less time
    than handing it to a thread and back. What takes longer, long changes and checkpoints, has a thread.

    Self-clocking group commit: a quiet store commits each change at once. After each transaction the writer rests for twice as long
    as it took until all who wait for it had run, and what comes meanwhile is committed together. So a busy store spends a third
    of its time on commits and their readers at most, and the batches grow with the load. Every change either happens whole or not
    at all, whatever its neighbours do.
    """

    def __init__(self, connection: sqlite3.Connection, checkpoints: Checkpoints) -> None:
        self._connection = connection
        self._checkpoints = checkpoints
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._pending: list[Operation] = []
        self._busy = False
        self._closed = False
        self._rested_at = 0.0
        self._idle = asyncio.Event()
        self._idle.set()
        self._checkpointing = False
        self._checkpoint_ends = False

    def submit(
        self,
        change: Callable[[sqlite3.Connection], T],
        committed: Callable[[T], None] | None = None,
        *,
        long: bool = False,
        compose: Callable[[], None] | None = None,
    ) -> asyncio.Future[T]:
        """Have a change made. `compose` is called in the event loop when the change is about to be made, `committed` there once it is,
        in the order of the changes, before the future resolves.

        A `long` change may take more than a millisecond and does not hold the loop up.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        if self._closed:
            future.set_exception(_closed())
            return future
        self._pending.append(Operation(change, committed, future, long, compose))
        if not self._busy:
            self._begin()
        return future

    async def close(self) -> None:
        """Finish what was submitted and close the connection."""
        self._closed = True
        await self._idle.wait()
        await self._in_thread(self._checkpoints.close)
        await self._in_thread(self._connection.close)
        self._thread.shutdown()

    def _in_thread(self, work: Callable[[], T]) -> asyncio.Future[T]:
        return self._loop.run_in_executor(self._thread, work)

    def _begin(self) -> None:
        self._busy = True
        self._idle.clear()
        # uvloop counts milliseconds: a shorter rest is none.
        self._loop.call_later(self._rested_at - time.monotonic(), self._turn)

    def _turn(self) -> None:
        pending, self._pending = self._pending, []
        batch = [operation for operation in pending if _composed(operation)]
        begun = time.monotonic()
        if any(operation.long for operation in batch):
            work = self._in_thread(lambda: self._commit(batch))
            work.add_done_callback(lambda done: self._end(batch, done.result(), begun))
        else:
            self._end(batch, self._commit(batch), begun)

    def _commit(self, batch: Sequence[Operation]) -> list[Any]:
        """The results of the changes, or the errors with which they end."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                results = [_attempt(connection, operation) for operation in batch]
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise
        except Exception:
            log.exception("store.commit_failed", changes=len(batch))
            return [_unavailable()] * len(batch)
        return results

    def _end(self, batch: Sequence[Operation], results: Sequence[Any], begun: float) -> None:
        for operation, result in zip(batch, results, strict=True):
            _settle(operation, result)
        # Behind all whom that has woken.
        self._loop.call_soon(self._rest, begun)

    def _rest(self, begun: float) -> None:
        now = time.monotonic()
        self._rested_at = now + rest_after(now - begun)
        if self._checkpoint_ends:
            # What was committed beside it is little. Once that is moved too, the next commit begins the log anew.
            self._checkpoint_ends = self._checkpointing = False
            self._in_thread(self._checkpoints.make).add_done_callback(self._go_on)
            return
        if not self._checkpointing and self._checkpoints.due():
            self._checkpointing = True
            self._in_thread(self._checkpoints.make).add_done_callback(self._checkpointed)
        self._go_on()

    def _checkpointed(self, _done: object) -> None:
        self._checkpoint_ends = True

    def _go_on(self, _done: object = None) -> None:
        if self._pending:
            self._begin()
        else:
            self._busy = False
            self._idle.set()


def _composed(operation: Operation) -> bool:
    """Whether the operation is ready to be made; one that cannot be composed has failed."""
    if operation.compose is not None:
        try:
            operation.compose()
        except Exception as error:  # noqa: BLE001 (whoever waits for it is told)
            operation.future.set_exception(error)
            return False
    return True


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
