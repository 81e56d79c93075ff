"""Sessions that all start at the same moment and stream at once, each watched by a client of its own over gRPC: CPU time of the
agent's process for 1,000 tokens, all of them stored durably before they are shown, the delay from the model's writing a token to
the client's having its event, and whether the pace is kept (from a client's first token to its last, over what the model's pace
makes of it, the slowest client's). Beside it a bare relay of the same model in a minimal grpc.aio server (aiohttp and json, one
event a token, nothing stored). The two take turns. The clients, the model and the server share the machine's cores."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import grpc

from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
from tests.bench.bare_relay import bare_relay
from tests.bench.figures import cpu_seconds, percentile
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
        mesh = await stack.enter_async_context(scene.mesh())
        door = NativeDoor(AgentServiceStub(await stack.enter_async_context(mesh.direct("agent"))))
        relay_pid, address = stack.enter_context(bare_relay(folder, scene.model_url))
        relay = await stack.enter_async_context(grpc.aio.insecure_channel(address))
        await relay.channel_ready()

        async def through_mesh(pace: Pace, seen: Seen) -> None:
            await watch_run(door, pace, seen)

        async def through_relay(pace: Pace, seen: Seen) -> None:
            await watch_relay(relay, pace, seen)

        await through_mesh(WARM_UP, Seen())
        await through_relay(WARM_UP, Seen())
        rows: list[Row] = []
        for sessions, pace in QUICK_LOADS if scene.quick else LOADS:
            ours = await _load(through_mesh, mesh.pid("agent"), sessions, pace)
            theirs = await _load(through_relay, relay_pid, sessions, pace)
            rows += _rows(sessions, pace, ours, theirs)
    return rows


async def _load(one: Callable[[Pace, Seen], Awaitable[None]], pid: int, sessions: int, pace: Pace) -> Load:
    seen = Seen()
    cpu = cpu_seconds(pid)
    await asyncio.gather(*(one(pace, seen) for _ in range(sessions)))
    spent = cpu_seconds(pid) - cpu
    assert len(seen.delays) == sessions * pace.tokens, f"{len(seen.delays)} tokens came"
    return Load(spent * 1e6 / len(seen.delays), seen)


def _rows(sessions: int, pace: Pace, ours: Load, theirs: Load) -> list[Row]:
    load = f"{sessions} session{'s' if sessions > 1 else ''}, {pace.words}"
    rows = [
        Row(f"server CPU for 1,000 tokens: {load}", ours.cpu_ms, "ms", (Beside(RELAY, theirs.cpu_ms),), CPU_BUDGET),
    ]
    if not pace.every_ms:
        return rows
    for percent in (50, 99):
        mine, other = (percentile(each.seen.delays, percent) * 1000 for each in (ours, theirs))
        budget = DELAY_BUDGETS.get(sessions) if percent == 50 else None
        rows.append(Row(f"token to event: {load}, p{percent}", mine, "ms", (Beside(RELAY, other),), budget))
    mine, other = (max(each.seen.spans) / pace.span for each in (ours, theirs))
    rows.append(Row(f"time taken over the model's own: {load}", mine, "x", (Beside(RELAY, other),), PACE_BUDGET))
    return rows
