"""Clients of a trial: those who give tasks, some twice, those who meddle, and those who watch, leave and come back by their cursor."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import grpc

from meshwright.serving.errors import DETAILS_KEY, MeshError
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.run_pb2 import RunSpec, SteeringMode
from meshwright.v1.stream_pb2 import Close

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
    from meshwright.v1.event_pb2 import Event
    from meshwright.v1.run_pb2 import Run

T = TypeVar("T")
CALL_SECONDS = 10.0
LOST = "lost connection"
MEDDLED_SHARE = 3
"""Of ten runs one is cancelled, and so many are told something."""
PASSING = {"UNAVAILABLE", "READER_TOO_SLOW", "DEADLINE_EXCEEDED", LOST}
"""Refusals after which a client comes again. Anything else in a trial is a defect."""


@dataclass
class Noted:
    """What clients noted of a session."""

    number: int
    session_id: str
    stories: list[int]
    """The numbers of the stories that its runs tell, in their order."""
    runs: list[str] = field(default_factory=list)
    cancelled: set[str] = field(default_factory=set)
    """Runs that somebody asked to end."""
    watchers: list[list[Event]] = field(default_factory=list)
    """The events that each watcher was sent, in the order in which they came."""


class Clients:
    """Everybody who talks to the fleet."""

    def __init__(self, stub: AgentServiceStub, seed: int) -> None:
        self._stub = stub
        self._seed = seed
        self.refusals: Counter[str] = Counter()
        """Errors that clients met, by their reason."""
        self.returns = 0
        """How often watchers came back."""

    async def session(self, number: int) -> str:
        """A new session."""
        request = pb.CreateSessionRequest(request_id=f"session-{number}-of-{self._seed}")
        created = await self._insist(lambda: self._stub.CreateSession(request, timeout=CALL_SECONDS))
        assert created is not None
        return created.session.session_id

    async def start(self, session_id: str, number: int, task: str, *, twice: bool) -> str:
        """Give the task of this number; with `twice` the same request goes out a second time, as from a client that lost the answer."""
        request = pb.StartRunRequest(
            request_id=f"run-{number}-of-{self._seed}", session_id=session_id, spec=RunSpec(task=task)
        )

        async def ask() -> Run:
            started = await self._insist(lambda: self._stub.StartRun(request, timeout=CALL_SECONDS))
            assert started is not None
            return started.run

        runs = await asyncio.gather(*(ask() for _ in range(2 if twice else 1)))
        assert len({run.run_id for run in runs}) == 1, f"one request became several runs of {session_id}"
        return str(runs[0].run_id)

    async def meddle(self, noted: Noted, number: int) -> None:
        """Some runs are cancelled after a while, some are told something, once or in a hurry."""
        dice = random.Random(f"{self._seed}/meddler/{number}")  # noqa: S311 - repeatable on purpose
        deed, delay = dice.randrange(10), dice.uniform(0.1, 5.0)
        session_id, run_id = noted.session_id, noted.runs[noted.stories.index(number)]
        if deed > MEDDLED_SHARE:
            return
        await asyncio.sleep(delay)
        request_id = f"meddle-{number}-of-{self._seed}"
        if deed == 0:
            noted.cancelled.add(run_id)
            cancel = pb.CancelRunRequest(request_id=request_id, session_id=session_id, run_id=run_id)
            await self._insist(lambda: self._stub.CancelRun(cancel, timeout=CALL_SECONDS), may_be_late=True)
        else:
            mode = dice.choice((SteeringMode.STEERING_MODE_STEER, SteeringMode.STEERING_MODE_INTERRUPT))
            steer = pb.SteerRunRequest(
                request_id=request_id, session_id=session_id, run_id=run_id, text="Go on.", mode=mode
            )
            await self._insist(lambda: self._stub.SteerRun(steer, timeout=CALL_SECONDS), may_be_late=True)

    async def watch(self, noted: Noted, number: int) -> None:
        """Watch until all runs have ended, leaving and coming back at random; every other watcher by Converse."""
        dice = random.Random(f"{self._seed}/watcher/{noted.number}/{number}")  # noqa: S311 - repeatable on purpose
        seen: list[Event] = []
        noted.watchers.append(seen)
        door = self._converse if number % 2 else self._watch_session
        while not _all_ended(noted, seen):
            cursor = seen[-1].sequence if seen else 0
            patience = dice.randint(5, 120)
            try:
                async with aclosing(door(noted.session_id, cursor)) as stream:
                    async for events in stream:
                        seen.extend(events)
                        patience -= len(events)
                        if patience < 0 or _all_ended(noted, seen):
                            break
            except grpc.aio.AioRpcError as error:
                self._note(error)
            self.returns += 1
            await asyncio.sleep(dice.uniform(0.0, 0.3))

    async def _watch_session(self, session_id: str, cursor: int) -> AsyncGenerator[list[Event], None]:
        watch = self._stub.WatchSession(pb.WatchSessionRequest(session_id=session_id, after_sequence=cursor))
        try:
            async for frame in watch:
                yield list(frame.events)
        finally:
            watch.cancel()

    async def _converse(self, session_id: str, cursor: int) -> AsyncGenerator[list[Event], None]:
        stream = self._stub.Converse()
        start = pb.ConverseStart(session_id=session_id, after_sequence=cursor)
        try:
            await stream.write(pb.ConverseRequest(command_id="join", start=start))
            async for frame in stream:
                yield list(frame.events)
            await stream.write(pb.ConverseRequest(command_id="close", close=Close()))
        except asyncio.InvalidStateError:
            return
        finally:
            stream.cancel()

    async def log(self, session_id: str) -> list[Event]:
        """The whole log as it is in the end."""
        request = pb.WatchSessionRequest(session_id=session_id)
        events: list[Event] = []
        watch = self._stub.WatchSession(request, timeout=CALL_SECONDS)
        async for frame in watch:
            events.extend(frame.events)
            if frame.HasField("caught_up"):
                break
        watch.cancel()
        return events

    async def runs(self, session_id: str) -> list[Run]:
        """The session's runs as they are in the end."""
        return list((await self._stub.ListRuns(pb.ListRunsRequest(session_id=session_id))).runs)

    async def _insist(self, call: Callable[[], Awaitable[T]], *, may_be_late: bool = False) -> T | None:
        """Make a call again until it is answered: its request id makes that safe. None where it came too late."""
        while True:
            try:
                return await call()
            except grpc.aio.AioRpcError as error:
                if may_be_late and MeshError.from_rpc_error(error).reason_name == "RUN_FINISHED":
                    return None
                self._note(error)
            await asyncio.sleep(0.1)

    def _note(self, error: grpc.aio.AioRpcError) -> None:
        spoken = any(key == DETAILS_KEY for key, _ in error.trailing_metadata() or ())
        reason = MeshError.from_rpc_error(error).reason_name if spoken else LOST
        self.refusals[reason] += 1
        assert reason in PASSING, f"{error.code()}: {error.details()}"


def _all_ended(noted: Noted, seen: list[Event]) -> bool:
    ended = {event.run_id for event in seen if event.HasField("run_finished")}
    return len(noted.runs) == len(noted.stories) and ended.issuperset(noted.runs)
