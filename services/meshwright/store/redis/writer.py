"""Changes of sessions: those that come while others are under way travel together."""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice, takewhile
from typing import Any, NamedTuple, TypeVar

import structlog
from redis.exceptions import ConnectionError as LostConnectionError
from redis.exceptions import NoScriptError

from meshwright.store.interface import Draft
from meshwright.store.redis import keys, wire
from meshwright.store.redis.connection import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    PASSING,
    PATIENCE_SECONDS,
    Client,
    unavailable,
)
from meshwright.store.redis.plan import Plan, now
from meshwright.store.resting import rest_after

T = TypeVar("T")
log = structlog.get_logger(__name__)
TRANSACT = (files(__package__) / "transact.lua").read_bytes()
DIGEST = hashlib.sha1(TRANSACT, usedforsecurity=False).hexdigest()
"""The script's name at a server that has seen it."""
MAX_BATCH = 512


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
    deadline: float
    """Time of the event loop from which on it is not tried again."""


@dataclass(eq=False)
class Sending:
    """An operation on its way."""

    operation: Operation
    change: Change | None = None
    """None until it is sent for the first time."""
    command: tuple[object, ...] = ()
    pause: float = FIRST_PAUSE
    """Before it is tried again, in seconds."""
    again: bool = False


class Writer:
    """Sends the changes of a session in the order in which they came.

    Self-clocking group commit, as in the embedded store: changes travel together, those for each node of a cluster by themselves. What
    was not answered, or is refused for now, is sent again, before what came later for the same session, while other sessions overtake
    it: the script knows what it did by the numbers that this writer gives.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self.name = uuid.uuid4().hex[:16]
        self._number = 0
        self._waiting: dict[str, deque[Sending]] = {}
        """What is not settled, by session."""
        self._lanes: defaultdict[str, deque[str]] = defaultdict(deque)
        """Sessions whose turn it is, by where they lie."""
        self._at_work: dict[str, asyncio.Task[None]] = {}
        self._settled = asyncio.Event()
        self._closed = False

    def submit(
        self,
        session_id: str,
        compose: Callable[[], Change],
        settle: Callable[[Outcome, Change], T],
        answer_key: str = "",
    ) -> asyncio.Future[T]:
        """Have a change made. `compose` is called once, when it is about to be sent. `settle` makes the result, or raises the MeshError.

        Both are called in the event loop and in the order of a session's changes.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if self._closed:
            future.set_exception(unavailable("The store is closed."))
            return future
        operation = Operation(session_id, compose, settle, answer_key, future, loop.time() + PATIENCE_SECONDS)
        waiting = self._waiting.setdefault(session_id, deque())
        waiting.append(Sending(operation))
        if len(waiting) == 1:
            self._send_soon(session_id)
        return future

    async def close(self) -> None:
        """Finish what was submitted."""
        self._closed = True
        while self._waiting:
            self._settled.clear()
            await self._settled.wait()
        if self._at_work:
            await asyncio.wait(self._at_work.values())

    def _send_soon(self, session_id: str) -> None:
        lane = self._client.lane(keys.state(session_id))
        self._lanes[lane].append(session_id)
        if lane not in self._at_work:
            self._at_work[lane] = asyncio.create_task(self._send_all(lane), name="store-writer")

    async def _send_all(self, lane: str) -> None:
        """Carry out what waits in a lane, batch by batch."""
        while sessions := self._lanes[lane]:
            begun = time.thread_time()
            gathered: dict[str, list[Sending]] = {}
            room = MAX_BATCH
            while sessions and room > 0:
                session_id = sessions.popleft()
                gathered[session_id] = list(islice(_alike(self._waiting[session_id]), room))
                room -= len(gathered[session_id])
            batch = [each for waiting in gathered.values() for each in waiting if each.change or self._composed(each)]
            for sending, result in zip(batch, await self._attempt(batch), strict=True):
                self._take(sending, result)
            for session_id in gathered:
                self._go_on(session_id)
            # Behind all whom that has woken. Waiting for the server is no work, so a quiet store hardly rests.
            await asyncio.sleep(0)
            await asyncio.sleep(rest_after(time.thread_time() - begun))
        del self._lanes[lane], self._at_work[lane]

    def _composed(self, sending: Sending) -> bool:
        """Make the change as it is sent, however often; one that cannot be composed has failed."""
        operation = sending.operation
        try:
            sending.change = operation.compose()
        except Exception as error:  # noqa: BLE001 (whoever waits for it is told)
            if not operation.future.done():
                operation.future.set_exception(error)
            self._waiting[operation.session_id].remove(sending)
            return False
        self._number += 1
        plan, session_id = sending.change.plan, operation.session_id
        plan.writer, plan.number, plan.time = self.name, self._number, str(now())
        names = keys.of_session(session_id) + ([operation.answer_key] if operation.answer_key else [])
        packed, texts = wire.pack_plan(plan)
        arguments = (packed, wire.pack_drafts(sending.change.drafts), keys.live(session_id), keys.SIGNALS, *texts)
        sending.command = (len(names), *names, *arguments)
        return True

    async def _attempt(self, batch: Sequence[Sending]) -> list[Any]:
        try:
            results: list[Any] = await self._client.send_each([("EVALSHA", DIGEST, *each.command) for each in batch])
            unknown = [place for place, result in enumerate(results) if isinstance(result, NoScriptError)]
            if unknown:
                told = await self._client.send_each([("EVAL", TRANSACT, *batch[place].command) for place in unknown])
                for place, result in zip(unknown, told, strict=True):
                    results[place] = result
        except Exception:
            # Whatever it was, nobody may wait for ever.
            log.exception("store.sending_failed", changes=len(batch))
            return [LostConnectionError()] * len(batch)
        return results

    def _take(self, sending: Sending, result: Any) -> None:
        """Settle a change by its result, unless it is to be sent again."""
        if isinstance(result, PASSING):
            if asyncio.get_running_loop().time() + sending.pause <= sending.operation.deadline:
                sending.again = True
                return
            log.error("store.unreachable", failure=type(result).__name__)
        _settle(sending, result)
        self._waiting[sending.operation.session_id].remove(sending)

    def _go_on(self, session_id: str) -> None:
        """Send what is left of a session, after a pause where it was sent before."""
        waiting = self._waiting[session_id]
        if not waiting:
            del self._waiting[session_id]
            self._settled.set()
        elif waiting[0].again:
            asyncio.get_running_loop().call_later(waiting[0].pause, self._send_soon, session_id)
            waiting[0].pause = min(2 * waiting[0].pause, LONGEST_PAUSE)
        else:
            self._send_soon(session_id)


def _alike(waiting: Sequence[Sending]) -> Iterator[Sending]:
    """The first of them, of the same keys. While a slot moves, a change is refused if one of its keys is not there yet; one behind it, of
    fewer keys, would be carried out before it.
    """
    answer_key = waiting[0].operation.answer_key
    return takewhile(lambda sending: sending.operation.answer_key == answer_key, waiting)


def _settle(sending: Sending, result: Any) -> None:
    future, change = sending.operation.future, sending.change
    assert change is not None
    try:
        if isinstance(result, Exception):
            if not isinstance(result, PASSING):
                log.error("store.change_failed", exc_info=result)
            raise unavailable("The store could not be written.")
        value = sending.operation.settle(_outcome(result)._replace(again=sending.again), change)
    except Exception as refusal:  # noqa: BLE001 (whoever waits for it is told)
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
