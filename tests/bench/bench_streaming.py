"""Sessions that all start at the same moment and stream at once, each watched by a client of its own over gRPC: CPU time of the
agent's process for 1,000 tokens, all of them stored durably before they are shown, the delay from the model's writing a token to
the client's having its event, and whether the pace is kept (from a client's first token to its last, over what the model's pace
makes of it, the slowest client's). On Redis: the same mesh on a Redis server of this machine, which writes its log to disk each second;
that server's own CPU is a line of its own. Beside it a bare relay of the same model in a minimal grpc.aio server (aiohttp and json,
one event a token, nothing stored). All take turns. The clients, the model and the servers share the machine's cores."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import grpc

from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
from tests.bench.bare_relay import bare_relay
from tests.bench.figures import cpu_seconds, percentile
from tests.bench.stores import meshes
from tests.bench.table import Beside, Row
from tests.bench.watching import NativeDoor, Pace, Seen, watch_relay, watch_run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.bench.scene import Scene

LOADS = ((1, Pace(5_000, 0)), (1, Pace(1_000, 5)), (50, Pace(1_000, 5)), (200, Pace(500, 20)))
QUICK_LOADS = ((1, Pace(300, 0)), (1, Pace(100, 5)), (10, Pace(50, 5)))
WARM_UP = Pace(20, 5)
RELAY = "bare relay, no store"
CPU_BUDGET = 80.0
DELAY_BUDGETS = {1: 3.0, 50: 20.0}
PACE_BUDGET = 1.05
"""More than that is not keeping the pace."""


class Load(NamedTuple):
    """Figures of one load."""

    cpu_ms: float
    """For 1,000 tokens."""
    seen: Seen


async def run(scene: Scene) -> list[Row]:
    """Measure."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        mesh, shared, redis_pid = await stack.enter_async_context(meshes(scene))
        doors = {
            each: NativeDoor(AgentServiceStub(await stack.enter_async_context(each.direct("agent"))))
            for each in (mesh, shared)
        }
        relay_pid, address = stack.enter_context(bare_relay(folder, scene.model_url))
        relay = await stack.enter_async_context(grpc.aio.insecure_channel(address))
        await relay.channel_ready()

        async def through_relay(pace: Pace, seen: Seen) -> None:
            await watch_relay(relay, pace, seen)

        for door in doors.values():
            await watch_run(door, WARM_UP, Seen())
        await through_relay(WARM_UP, Seen())
        rows: list[Row] = []
        for sessions, pace in QUICK_LOADS if scene.quick else LOADS:
            ours = await _load(partial(watch_run, doors[mesh]), mesh.pid("agent"), sessions, pace)
            spent = -cpu_seconds(redis_pid)
            on_redis = await _load(partial(watch_run, doors[shared]), shared.pid("agent"), sessions, pace)
            spent += cpu_seconds(redis_pid)
            theirs = await _load(through_relay, relay_pid, sessions, pace)
            rows += _rows(_words(sessions, pace), sessions, pace, (ours, on_redis, theirs))
            redis_ms = spent * 1e6 / (sessions * pace.tokens)
            rows.append(Row(f"CPU of the Redis server for 1,000 tokens: {_words(sessions, pace)}", redis_ms, "ms"))
    return rows


def _words(sessions: int, pace: Pace) -> str:
    return f"{sessions} session{'s' if sessions > 1 else ''}, {pace.words}"


async def _load(one: Callable[[Pace, Seen], Awaitable[None]], pid: int, sessions: int, pace: Pace) -> Load:
    seen = Seen()
    cpu = cpu_seconds(pid)
    await asyncio.gather(*(one(pace, seen) for _ in range(sessions)))
    spent = cpu_seconds(pid) - cpu
    assert len(seen.delays) == sessions * pace.tokens, f"{len(seen.delays)} tokens came"
    return Load(spent * 1e6 / len(seen.delays), seen)


def _rows(load: str, sessions: int, pace: Pace, found: tuple[Load, Load, Load]) -> list[Row]:
    """Rows of one load, found with SQLite, with Redis and with the relay."""

    def row(what: str, unit: str, figure: Callable[[Load], float], budget: float | None) -> Row:
        ours, on_redis, theirs = map(figure, found)
        return Row(f"{what}: {load}", ours, unit, (Beside(RELAY, theirs),), budget, on_redis=on_redis)

    rows = [row("server CPU for 1,000 tokens", "ms", lambda one: one.cpu_ms, CPU_BUDGET)]
    if not pace.every_ms:
        return rows
    rows += [
        row(f"token to event, p{percent}", "ms", partial(_delay, percent), budget)
        for percent, budget in ((50, DELAY_BUDGETS.get(sessions)), (99, None))
    ]
    span = pace.span
    return [*rows, row("time taken over the model's own", "x", lambda one: max(one.seen.spans) / span, PACE_BUDGET)]


def _delay(percent: int, load: Load) -> float:
    return percentile(load.seen.delays, percent) * 1000
