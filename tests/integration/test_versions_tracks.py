"""A canary of this version beside a stable agent of the one before, which knows of no tracks, on one shared store."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING

from meshwright.tools.tool import Annotations
from tests.model_script import Call, Hang, Say
from tests.support.agent_replicas import agent_fleet
from tests.support.agent_tools import counting_tool
from tests.support.delegation import assert_whole, by_task, end
from tests.support.tracks import CANARY, EACH, STABLE, TAKEOVER_SECONDS, attempts, talking_to, workers_on
from tests.support.two_versions import as_before

if TYPE_CHECKING:
    from pathlib import Path

RUNS = 6
WORK, WAIT, BEHIND = "work", "wait", "behind"


async def test_each_works_on_its_own_and_the_version_before_finds_what_a_dead_canary_leaves(
    tmp_path: Path, redis_url: str
) -> None:
    counted: list[str] = []
    opened = asyncio.Event()
    opened.set()
    tools = [counting_tool("test.count", Annotations(), counted, opened)]
    tasks = [(name, f"task {number} of {name}") for number in range(RUNS) for name in (STABLE, CANARY)]
    count, done = Call("test.count", {}), [Say("Done.")]
    quick = {task: done for _, task in tasks}
    each = {**EACH, STABLE: {**EACH[STABLE], **as_before()}}
    async with (
        agent_fleet(
            tmp_path,
            redis_url,
            by_task({**quick, WAIT: [count, Hang()]}),
            (STABLE, CANARY),
            tools=tools,
            each=each,
        ) as fleet,
        talking_to(fleet, STABLE, tmp_path) as stable,
        talking_to(fleet, CANARY, tmp_path) as canary,
    ):
        meshes = {STABLE: stable, CANARY: canary}
        runs = [await meshes[name].start(await meshes[name].new_session(), task) for name, task in tasks]
        for (name, task), run in zip(tasks, runs, strict=True):
            assert_whole(await stable.events(run.session_id, run.run_id))
            assert workers_on(fleet, task) == [name]

        waiting = await canary.start(await canary.new_session(), WAIT)
        await canary.wait_for(waiting.session_id, "tool_call_finished")
        behind = await canary.start(waiting.session_id, BEHIND)
        fleet.model.script = by_task({WAIT: [count, Say("Counted.")], BEHIND: done})
        began = time.monotonic()
        await fleet.agents[CANARY].end(signal.SIGKILL)
        events = await stable.events(waiting.session_id, waiting.run_id)
        assert time.monotonic() - began < TAKEOVER_SECONDS
        assert (attempts(events, waiting.run_id), workers_on(fleet, WAIT)) == ([1, 2], [CANARY, STABLE])
        events = await stable.events(waiting.session_id, behind.run_id)
        assert_whole(events)
        assert end(events, waiting.run_id).answer == "Counted."
        assert (end(events, behind.run_id).answer, workers_on(fleet, BEHIND)) == ("Done.", [STABLE])
        assert counted == ["test.count"]
