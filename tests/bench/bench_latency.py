"""One session alone, a model that writes 200 tokens a second: the time from the model's writing a token to the client's having its
event, and from asking for a run to its first event (two calls: StartRun, then WatchSession). Three doors take turns: gRPC to
the agent's own socket, gRPC through the gateway, and gRPC-Web over HTTP/1.1 through the gateway, read by a small client in
Python. On Redis: the same doors of a second mesh on a Redis server of this machine (see streaming). Beside them the bare relay,
which stores nothing."""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import grpc

from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
from tests.bench.bare_relay import bare_relay
from tests.bench.figures import percentile
from tests.bench.stores import meshes
from tests.bench.table import Beside, Row
from tests.bench.watching import NativeDoor, Pace, Seen, WebDoor, watch_relay, watch_run

if TYPE_CHECKING:
    from tests.bench.mesh import BenchMesh
    from tests.bench.scene import Scene
    from tests.bench.watching import Door

ROUNDS = 4
SECONDS = 60
WARM_UP = Pace(20, 5)
RELAY = "bare relay, no store"
ON_REDIS = "on Redis, "
DELAY_BUDGETS = {"gRPC, direct": 3.0, "gRPC, through the gateway": 3.0, "gRPC-Web, through the gateway": 5.0}
FIRST_EVENT_BUDGET = 10.0


async def run(scene: Scene) -> list[Row]:
    """Measure."""
    pace = Pace(scene.many(400, 60), 5)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        both = await stack.enter_async_context(meshes(scene))
        doors: dict[str, Door] = {}
        for mesh, prefix in ((both.sqlite, ""), (both.redis, ON_REDIS)):
            found = await _doors(mesh, stack)
            doors |= {f"{prefix}{name}": door for name, door in zip(DELAY_BUDGETS, found, strict=True)}
        _, address = stack.enter_context(bare_relay(folder, scene.model_url))
        relay = await stack.enter_async_context(grpc.aio.insecure_channel(address))
        await relay.channel_ready()
        seen = {name: Seen() for name in (*doors, RELAY)}
        for door in doors.values():
            await watch_run(door, WARM_UP, Seen())
        await watch_relay(relay, WARM_UP, Seen())
        for _ in scene.rounds(ROUNDS, SECONDS):
            for name, door in doors.items():
                await _with_short_ones(door, pace, seen[name])
            await watch_relay(relay, pace, seen[RELAY])
    return [*_delays(seen), *_first_events(seen)]


async def _doors(mesh: BenchMesh, stack: AsyncExitStack) -> list[Door]:
    direct = AgentServiceStub(await stack.enter_async_context(mesh.direct("agent")))
    gateway = AgentServiceStub(await stack.enter_async_context(mesh.through_gateway()))
    http = await stack.enter_async_context(aiohttp.ClientSession())
    return [NativeDoor(direct), NativeDoor(gateway), WebDoor(gateway, http, str(mesh.gateway))]


async def _with_short_ones(door: Door, pace: Pace, seen: Seen) -> None:
    """A long run, and a few short ones for more first events."""
    await watch_run(door, pace, seen)
    for _ in range(5):
        short = Seen()
        await watch_run(door, Pace(1, 1), short)
        seen.first_events += short.first_events


def _delays(seen: dict[str, Seen]) -> list[Row]:
    return [
        Row(
            f"token to event, one session, {name}, p{percent}",
            percentile(seen[name].delays, percent) * 1000,
            "ms",
            (Beside(RELAY, percentile(seen[RELAY].delays, percent) * 1000),),
            budget=budget if percent == 50 else None,
            on_redis=percentile(seen[f"{ON_REDIS}{name}"].delays, percent) * 1000,
        )
        for name, budget in DELAY_BUDGETS.items()
        for percent in (50, 99)
    ]


def _first_events(seen: dict[str, Seen]) -> list[Row]:
    return [
        Row(
            f"first event, {name}, p50",
            percentile(seen[name].first_events, 50) * 1000,
            "ms",
            (Beside(RELAY, percentile(seen[RELAY].first_events, 50) * 1000),),
            budget=FIRST_EVENT_BUDGET,
            on_redis=percentile(seen[f"{ON_REDIS}{name}"].first_events, 50) * 1000,
        )
        for name in DELAY_BUDGETS
    ]
