"""Two released versions of the agent behind a real gateway, and weights that move under open streams: what is dropped, how calls are
shared out, and how long a change takes.

    python -m tests.chaos.shift --calls 1000 --streams 12
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
from typer.testing import CliRunner

from meshwright.cli.main import app
from meshwright.client import Mesh
from meshwright.client.affinity import session_metadata
from meshwright.gateway.traffic_file import TrafficFile
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
from tests.chaos.steady import TASK, Steady, version_of
from tests.model_script import Say, Script, Tokens
from tests.model_server import ModelServer
from tests.support.agent_replicas import agent_fleet
from tests.support.delegation import by_task
from tests.support.gateway_process import serving
from tests.support.previous_version import PREVIOUS
from tests.support.redis_server import RedisServer
from tests.support.two_versions import NEW, OLD, as_before

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from meshwright.client import Run

SHIFTS = (("set", "10"), ("set", "50"), ("set", "100"), ("rollback",), ("set", "0"))
WEIGHTS = (10, 50, 100, 50, 0)
"""What is in force after each shift."""
AT_ONCE = 50
"""Calls that are under way at the same time."""
PATIENCE = 30.0
TALK = "talk"
ENDLESS = Tokens(1_000_000, delay=0.1)


@dataclass(frozen=True)
class Shift:
    """One change and what was seen after it."""

    weight: int
    seconds: float
    """From the command to its answer that the change is in force."""
    calls: int
    canary: frozenset[str]
    """The sessions whose calls went to the canary."""

    @property
    def share(self) -> float:
        """Percent of the calls."""
        return len(self.canary) / self.calls * 100


@dataclass
class Outcome:
    """What a trial saw. Calls that failed and streams that broke ended it with their error."""

    shifts: list[Shift] = field(default_factory=list)
    streams: dict[str, int] = field(default_factory=dict)
    """Streams that were open from their beginning to the end of the trial, without a break, by the version that worked on their runs."""
    events: int = 0
    """Theirs, none missing and none twice."""
    late: int = 0
    """Calls that still went by the former weights: threads of Envoy take the new ones over one after the other."""
    steady: dict[str, int] = field(default_factory=dict)
    """Short runs meanwhile, by the version that worked on them."""
    strays: int = 0
    """Those of the canary's that the stable track took, since the canary had left them for too long."""


async def trial(folder: Path, redis_url: str, calls: int, streams: int) -> Outcome:
    """Shift from nothing to everything and back, with so many streams open on each version and short runs all the time."""
    outcome = Outcome()
    async with two_tracks(folder, redis_url) as tracks, contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(Mesh(tracks.address))
        stub = AgentServiceStub(await stack.enter_async_context(grpc.aio.insecure_channel(tracks.address)))
        steady = Steady(client, stub)
        async with asyncio.TaskGroup() as group, steady.going_on(3):
            runs = await begun(client, streams)
            watches = [group.create_task(watched_in_one_piece(stub, run)) for run in runs]
            for command, weight in zip(SHIFTS, WEIGHTS, strict=True):
                seconds = await shifted(folder, *command)
                canary = await on_canary(stub, [f"ses_{number}" for number in range(calls)])
                late = astray(outcome.shifts, weight, canary)
                outcome.late += len(late)
                canary = canary - late | await on_canary(stub, sorted(late))
                outcome.shifts.append(Shift(weight, seconds, calls, canary))
                if weight == 100:
                    runs += (more := await begun(client, streams))
                    watches += [group.create_task(watched_in_one_piece(stub, run)) for run in more]
                await steady.some_more()
                assert not any(watch.done() for watch in watches)
            await asyncio.gather(*(run.cancel() for run in runs))
        outcome.streams = {name: tracks.talks(name) for name in (OLD, NEW)}
        outcome.events = sum(watch.result() for watch in watches)
        outcome.steady, outcome.strays = dict(steady.runs), steady.strays
    return outcome


@dataclass(frozen=True)
class Tracks:
    """What runs."""

    address: str
    """The gateway's."""
    models: dict[str, ModelServer]

    def talks(self, name: str) -> int:
        """How many of the runs that talk for ever a version has worked on."""
        return sum(request.last_user_text == TALK for request in self.models[name].requests)


@contextlib.asynccontextmanager
async def two_tracks(folder: Path, redis_url: str) -> AsyncIterator[Tracks]:
    """A gateway with the version before this one as stable, this one as canary, and a model for each."""
    async with contextlib.AsyncExitStack() as stack:
        models = {
            name: await stack.enter_async_context(ModelServer(_model(told)))
            for name, told in ((OLD, PREVIOUS.version), (NEW, version("meshwright")))
        }
        each = {name: {"MESHWRIGHT_OPENAI_BASE_URL": model.base_url} for name, model in models.items()}
        each[OLD] |= as_before()
        each[NEW] |= {"MESHWRIGHT_TRACK": "canary"}
        fleet = await stack.enter_async_context(agent_fleet(folder, redis_url, Say(""), (OLD, NEW), each=each))
        gateway = await stack.enter_async_context(
            serving(
                folder,
                MESHWRIGHT_DATA_DIR=str(folder),
                MESHWRIGHT_AGENT_ADDRESS=str(fleet.agents[OLD].address),
                MESHWRIGHT_AGENT_CANARY_ADDRESS=str(fleet.agents[NEW].address),
            )
        )
        address = await gateway.address()
        async with asyncio.timeout(PATIENCE):
            while TrafficFile(folder).read_report() is None:  # noqa: ASYNC110  # a file has nothing to await
                await asyncio.sleep(0.01)
        yield Tracks(address, models)


def _model(told: str) -> Script:
    """Says which version asks it."""
    return by_task({TALK: [ENDLESS], TASK: [Say(told)]})


async def begun(client: Mesh, count: int) -> list[Run]:
    """Runs that talk for ever."""
    return [await (await client.create_session()).start(TALK) for _ in range(count)]


async def watched_in_one_piece(stub: AgentServiceStub, run: Run) -> int:
    """Watch a run from its beginning to its end over one stream; how many events it had, none missing."""
    request = pb.WatchSessionRequest(session_id=run.session_id, until_run_id=run.run_id)
    last = 0
    ended = False
    async for frame in stub.WatchSession(request, metadata=session_metadata(run.session_id)):
        for event in frame.events:
            assert event.sequence == last + 1
            last, ended = event.sequence, event.HasField("run_finished")
    assert ended
    return last


async def shifted(data_dir: Path, *command: str) -> float:
    """`meshwright traffic ...`; the seconds that it took to be in force."""
    began = time.monotonic()
    done = await asyncio.to_thread(CliRunner().invoke, app, ["traffic", *command, "--data-dir", str(data_dir)])
    assert done.exit_code == 0, done.output
    return time.monotonic() - began


async def on_canary(stub: AgentServiceStub, sessions: Sequence[str]) -> frozenset[str]:
    """Those of the sessions of which the canary answers a call."""
    answers: list[str] = []
    for first in range(0, len(sessions), AT_ONCE):
        answers += await asyncio.gather(*(version_of(stub, each) for each in sessions[first : first + AT_ONCE]))
    return frozenset(session for session, told in zip(sessions, answers, strict=True) if told != PREVIOUS.version)


def astray(before: Sequence[Shift], weight: int, canary: frozenset[str]) -> frozenset[str]:
    """Sessions that are not where they were at another weight, and where they would have to be at this one too."""
    missing = frozenset[str]().union(*(shift.canary for shift in before if shift.weight <= weight)) - canary
    allowed = [shift.canary for shift in before if shift.weight >= weight]
    return missing | (canary - canary.intersection(*allowed))


def say(outcome: Outcome) -> None:
    """Print the figures."""
    for shift in outcome.shifts:
        sys.stdout.write(
            f"canary {shift.weight:3d} %: in force after {shift.seconds:.2f} s, {shift.share:.1f} % of {shift.calls} calls\n"
        )
    runs = ", ".join(f"{count} by {told}" for told, count in sorted(outcome.steady.items()))
    sys.stdout.write(
        f"{outcome.late} calls went by the weights before; {sum(outcome.streams.values())} streams in one piece, {outcome.events} events; "
        f"{sum(outcome.steady.values())} short runs meanwhile ({runs}), of which {outcome.strays} off their track\n"
    )


def main() -> int:
    """Make a trial and print what it saw."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.shift", description=__doc__)
    parser.add_argument("--calls", type=int, default=1000, help="after each shift, each of another session")
    parser.add_argument("--streams", type=int, default=12, help="on each version")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="shift-") as name, RedisServer(Path(name)) as redis:
        say(asyncio.run(trial(Path(name), redis.url, options.calls, options.streams)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
