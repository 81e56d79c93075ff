"""Agents of two tracks, each a process of its own, on one shared store: runs stay on their track, and survive the end of it."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING

from meshwright.tools.tool import Annotations
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.run_pb2 import SteeringMode, Track
from tests.model_script import Call, Hang, Say, Tokens
from tests.support.agent_replicas import agent_fleet
from tests.support.agent_tools import counting_tool
from tests.support.delegation import assert_whole, by_task, delegate, end
from tests.support.tracks import (
    CANARY,
    EACH,
    OTHER_CANARY,
    STABLE,
    TAKEOVER_SECONDS,
    attempts,
    talking_to,
    workers_on,
)

if TYPE_CHECKING:
    from pathlib import Path

TRACK_OF = {STABLE: Track.TRACK_STABLE, CANARY: Track.TRACK_CANARY}
RUNS = 8


async def test_a_run_is_worked_on_by_the_track_that_accepted_it(tmp_path: Path, redis_url: str) -> None:
    names = (STABLE, CANARY)
    tasks = [(name, f"task {number} of {name}") for number in range(RUNS) for name in names]
    others = ("moved to the canary", "and back", "as an input", "look")
    answers = {task: [Say("Done.")] for task in (*others, *(task for _, task in tasks))}
    script = by_task({**answers, "plan": [delegate("look"), Say("Planned.")]})
    async with (
        agent_fleet(tmp_path, f"{redis_url}?db=0", script, names, each=EACH) as fleet,
        talking_to(fleet, STABLE, tmp_path) as stable,
        talking_to(fleet, CANARY, tmp_path) as canary,
    ):
        meshes = {STABLE: stable, CANARY: canary}
        for name, mesh in meshes.items():
            assert (await mesh.stub.GetAgent(pb.GetAgentRequest())).agent.track == TRACK_OF[name]
        sessions = {task: await meshes[name].new_session() for name, task in tasks}
        runs = await asyncio.gather(*(meshes[name].start(sessions[task], task) for name, task in tasks))
        for (name, task), run in zip(tasks, runs, strict=True):
            events = await stable.events(run.session_id, run.run_id)
            assert_whole(events)
            assert (run.track, workers_on(fleet, task)) == (TRACK_OF[name], [name])

        # A session that has moved: its runs go to the tracks at which they were accepted, in turn.
        moved = sessions[tasks[0][1]]
        first = await canary.start(moved, "moved to the canary")
        second = await stable.start(moved, "and back")
        steer = pb.SteerRunRequest(
            session_id=moved, text="as an input", request_id="steer", mode=SteeringMode.STEERING_MODE_ENQUEUE
        )
        third = (await canary.stub.SteerRun(steer)).receipt.enqueued_run_id
        events = await stable.events(moved, third)
        assert_whole(events)
        assert [event.run_id for event in events if event.HasField("run_started")][1:] == [
            first.run_id,
            second.run_id,
            third,
        ]
        assert workers_on(fleet, "moved to the canary") == workers_on(fleet, "as an input") == [CANARY]
        assert workers_on(fleet, "and back") == [STABLE]

        # Sub-agents are on their parent's track.
        planned = await canary.start(moved, "plan")
        await stable.events(moved, planned.run_id)
        listed = (await stable.stub.ListRuns(pb.ListRunsRequest(session_id=moved))).runs
        (child,) = [run for run in listed if run.parent_run_id == planned.run_id]
        assert child.track == planned.track == Track.TRACK_CANARY
        assert workers_on(fleet, "look") == [CANARY]


async def test_the_canary_never_takes_what_is_stables(tmp_path: Path, redis_url: str) -> None:
    """Even where nobody else is there, and it looks for longer than the stable track would wait."""
    script = by_task({"wait": [Hang()], "a while": [Tokens(70, delay=0.05)]})
    settings = {"MESHWRIGHT_HAND_OVER_GRACE": "0", "MESHWRIGHT_DRAIN_DELAY": "0"}
    async with (
        agent_fleet(tmp_path, f"{redis_url}?db=1", script, (STABLE, CANARY), environment=settings, each=EACH) as fleet,
        talking_to(fleet, STABLE, tmp_path) as stable,
        talking_to(fleet, CANARY, tmp_path) as canary,
    ):
        session_id = await stable.new_session()
        run = await stable.start(session_id, "wait")
        await fleet.model.wait_requests()
        await fleet.agents[STABLE].end(signal.SIGTERM)
        await canary.do("a while")
        assert workers_on(fleet, "wait") == [STABLE]
        fleet.model.script = by_task({"wait": [Say("At last.")]})
        await fleet.agents[STABLE].start()
        events = await canary.events(session_id, run.run_id)
        assert_whole(events)
        assert attempts(events, run.run_id) == [1, 2]
        assert workers_on(fleet, "wait") == [STABLE]


async def test_runs_of_a_canary_go_on_at_another_and_without_any_at_stable(tmp_path: Path, redis_url: str) -> None:
    counted: list[str] = []
    opened = asyncio.Event()
    opened.set()
    tools = [counting_tool("test.count", Annotations(), counted, opened)]
    tasks = [f"count {number}" for number in range(3)]
    count = Call("test.count", {})
    settings = {"MESHWRIGHT_HAND_OVER_GRACE": "0", "MESHWRIGHT_DRAIN_DELAY": "0"}
    async with (
        agent_fleet(
            tmp_path,
            f"{redis_url}?db=2",
            by_task({task: [count, Hang()] for task in tasks}),
            (STABLE, CANARY, OTHER_CANARY),
            started=(STABLE, CANARY),
            tools=tools,
            environment=settings,
            each=EACH,
        ) as fleet,
        talking_to(fleet, STABLE, tmp_path) as stable,
        talking_to(fleet, CANARY, tmp_path) as canary,
    ):
        runs = [await canary.start(await canary.new_session(), task) for task in tasks]
        for run in runs:
            await canary.wait_for(run.session_id, "tool_call_finished")
        assert [workers_on(fleet, task) for task in tasks] == [[CANARY]] * len(tasks)

        await fleet.agents[OTHER_CANARY].start()
        await fleet.agents[CANARY].end(signal.SIGTERM)
        for run in runs:
            await stable.events_until(run.session_id, "run_started", 2)
        fleet.model.script = by_task({task: [count, Say("Counted.")] for task in tasks})

        began = time.monotonic()
        await fleet.agents[OTHER_CANARY].end(signal.SIGKILL)
        found = await asyncio.gather(*(stable.events(run.session_id, run.run_id) for run in runs))
        assert time.monotonic() - began < TAKEOVER_SECONDS
        for task, run, events in zip(tasks, runs, found, strict=True):
            assert_whole(events)
            assert end(events, run.run_id).answer == "Counted."
            assert attempts(events, run.run_id) == [1, 2, 3]
            assert workers_on(fleet, task) == [CANARY, OTHER_CANARY, STABLE]
        assert counted == ["test.count"] * len(runs)
