"""Changes of sessions: those that come while others are under way travel together."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any, NamedTuple, TypeVar

import structlog
from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    MovedError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    TryAgainError,
)
from redis.exceptions import (
    ConnectionError as LostConnectionError,
)
from redis.exceptions import (
    TimeoutError as AnswerTimeoutError,
)

from meshwright.serving.errors import MeshError
from meshwright.store.interface import Draft
from meshwright.store.redis import keys, wire
from meshwright.store.redis.connection import SERVER_FAILURES, Client, heeding, unavailable
from meshwright.store.redis.plan import Plan, now
from meshwright.store.resting import rest_after

T = TypeVar("T")
log = structlog.get_logger(__name__)
TRANSACT = (files(__package__) / "transact.lua").read_bytes()
PATIENCE_SECONDS = 5.0
"""A change that could not be made for so long fails."""
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.5
MAX_BATCH = 512
PASSING = (
    AnswerTimeoutError,
    BusyLoadingError,
    ClusterDownError,
    LostConnectionError,
    MovedError,
    ReadOnlyError,
    TryAgainError,
)


class Outcome(NamedTuple):
    """What became of a plan."""

    code: str
    """`done`; `answered`: the request was carried out before; or the code of the guard that failed."""
    first: int = 0
    """Sequence of the first draft."""
    answer: bytes = b""
    again: bool = False
    """An answer was lost before, so it may be the change itself that refuses it now."""


class Change(NamedTuple):
    """What is to happen to a session."""

    plan: Plan
    drafts: Sequence[Draft] = ()


class Operation(NamedTuple):
    """Makes a change when it is about to be sent, and its result of the outcome; and who waits for that."""

    session_id: str
    compose: Callable[[], Change]
    settle: Callable[[Outcome, Change], Any]
    answer_key: str
    future: asyncio.Future[Any]


class Sent(NamedTuple):
    """A change as it travels."""

    operation: Operation
    change: Change
    command: tuple[object, ...]


class Writer:
    """Sends changes in the order in which they came.

    Self-clocking group commit, as in the embedded store. A batch whose answer was lost is sent again: the script knows what it did
    by the numbers that this writer gives.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self.name = uuid.uuid4().hex[:16]
        self._number = 0
        self._script = b""
        self._pending: list[Operation] = []
        self._work: asyncio.Task[None] | None = None
        self._closed = False

    def submit(
        self,
        session_id: str,
        compose: Callable[[], Change],
        settle: Callable[[Outcome, Change], T],
        answer_key: str = "",
    ) -> asyncio.Future[T]:
        """Have a change made. `compose` is called once, when it is about to be sent. `settle` makes the result, or raises the MeshError.

        Both are called in the event loop and in the order of changes.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._closed:
            future.set_exception(unavailable("The store is closed."))
            return future
        self._pending.append(Operation(session_id, compose, settle, answer_key, future))
        if self._work is None:
            self._work = asyncio.create_task(self._send_all(), name="store-writer")
        return future

    async def close(self) -> None:
        """Finish what was submitted."""
        self._closed = True
        if self._work is not None:
            await self._work

    async def _send_all(self) -> None:
        while self._pending:
            begun = time.thread_time()
            gathered, self._pending = self._pending[:MAX_BATCH], self._pending[MAX_BATCH:]
            batch = [sent for operation in gathered if (sent := self._composed(operation)) is not None]
            results, again = await self._patiently(batch)
            for sent, result in zip(batch, results, strict=True):
                _settle(sent, result, again=again)
            # Behind all whom that has woken. Waiting for the server is no work, so a quiet store hardly rests.
            await asyncio.sleep(0)
            await asyncio.sleep(rest_after(time.thread_time() - begun))
        self._work = None

    def _composed(self, operation: Operation) -> Sent | None:
        """The change as it is sent, however often; one that cannot be composed has failed."""
        try:
            change = operation.compose()
        except Exception as error:  # noqa: BLE001 (whoever waits for it is told)
            if not operation.future.done():
                operation.future.set_exception(error)
            return None
        self._number += 1
        plan, session_id = change.plan, operation.session_id
        plan.writer, plan.number, plan.time = self.name, self._number, str(now())
        names = keys.of_session(session_id) + ([operation.answer_key] if operation.answer_key else [])
        packed, texts = wire.pack_plan(plan)
        arguments = (packed, wire.pack_drafts(change.drafts), keys.live(session_id), keys.SIGNALS, *texts)
        return Sent(operation, change, (len(names), *names, *arguments))

    async def _patiently(self, batch: Sequence[Sent]) -> tuple[Sequence[Any], bool]:
        """The results, and whether it took more than one attempt."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_SECONDS
        pause = FIRST_PAUSE
        again = False
        while True:
            results = await self._attempt(batch)
            if not any(isinstance(result, PASSING) for result in results):
                return results, again
            if loop.time() + pause > deadline:
                log.error("store.unreachable", changes=len(batch))
                return results, again
            again = True
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _attempt(self, batch: Sequence[Sent]) -> Sequence[Any]:
        try:
            results = await heeding(self._send(batch))
            if any(isinstance(result, NoScriptError) for result in results):
                self._script = b""
                results = await heeding(self._send(batch))
        except SERVER_FAILURES:
            return [LostConnectionError()] * len(batch)
        return results

    async def _send(self, batch: Sequence[Sent]) -> Sequence[Any]:
        if not self._script:
            self._script = await self._client.script_load(TRANSACT)
        async with self._client.pipeline(transaction=False) as pipeline:
            for sent in batch:
                pipeline.execute_command("EVALSHA", self._script, *sent.command)
            results: Sequence[Any] = await pipeline.execute(raise_on_error=False)
            return results


def _settle(sent: Sent, result: Any, *, again: bool) -> None:
    future = sent.operation.future
    try:
        if isinstance(result, RedisError):
            if not isinstance(result, PASSING):
                log.error("store.change_failed", exc_info=result)
            raise unavailable("The store could not be written.")
        value = sent.operation.settle(_outcome(result)._replace(again=again), sent.change)
    except MeshError as refusal:
        if not future.done():
            future.set_exception(refusal)
        return
    if not future.done():
        future.set_result(value)


def _outcome(result: Sequence[Any]) -> Outcome:
    code = result[0].decode()
    if code == "answered":
        return Outcome(code, answer=result[1])
    return Outcome(code, *result[1:])
