"""Two versions of the agent on one shared store: a run that is at work in one is taken over by the other."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from meshwright.tools.tool import Annotations
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.run_pb2 import Run, Track
from tests.model_script import Call, Hang, Say
from tests.support.agent_tools import counting_tool
from tests.support.delegation import assert_whole, by_task, delegate, end
from tests.support.two_versions import DIRECTIONS, NEW, OLD, databases, two_versions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from meshwright.v1.event_pb2 import Event
    from tests.support.agent_mesh import AgentMesh

COUNT = Call("test.count", {})
DANGER = Call("test.danger", {})
AT_FIRST = by_task(
    {
        "count": [COUNT, Hang()],
        "plan": [delegate("look"), Say("Planned.")],
        "look": [COUNT, Hang()],
        "talk": [[Say("Half of it"), Hang()]],
        "danger": [DANGER, Say("Done.")],
    }
)
THEN = by_task(
    {
        "count": [COUNT, Say("Counted.")],
        "plan": [delegate("look"), Say("Planned.")],
        "look": [COUNT, Say("Seen.")],
        "talk": [Say("All of it.")],
        "danger": [DANGER, Say("Done.")],
    }
)
ANSWERS = {"count": "Counted.", "plan": "Planned.", "talk": "All of it.", "danger": "Done."}


@dataclass
class AtWork:
    """A run that the agent of one version works on."""

    task: str
    run: Run

    def attempts(self, events: Sequence[Event]) -> list[int]:
        """How often a worker took it."""
        return [e.run_started.attempt for e in events if e.run_id == self.run.run_id and e.HasField("run_started")]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: number.name)
async def test_runs_at_work_are_taken_over_by_the_other_version(
    tmp_path_factory: pytest.TempPathFactory, redis_url: str, cluster_url: str, number: signal.Signals
) -> None:
    """All at once, since what takes its time is the lease of a dead one."""
    places = [*zip(databases(redis_url), DIRECTIONS, strict=True), (cluster_url, (NEW, OLD))]
    async with asyncio.TaskGroup() as group:
        for store_url, (first, then) in places:
            folder = tmp_path_factory.mktemp(first)
            group.create_task(relieved(folder, store_url, number, first, then))


async def relieved(folder: Path, store_url: str, number: signal.Signals, first: str, then: str) -> None:
    """Nothing is lost or made again, and every run ends once, with its answer."""
    counted: list[str] = []
    opened = asyncio.Event()
    opened.set()
    tools = [counting_tool(name, Annotations(), counted, opened) for name in ("test.count", "test.danger")]
    settings = {"MESHWRIGHT_APPROVALS": "test.danger", "MESHWRIGHT_HAND_OVER_GRACE": "0.2"}
    async with (
        two_versions(folder, store_url, AT_FIRST, tools, started=(first,), settings=settings) as versions,
        versions.talking_to(first) as before,
        versions.talking_to(then) as after,
    ):
        at_work = [
            await begun(before, "count", "tool_call_finished"),
            await begun(before, "plan", "tool_call_finished"),
            await begun(before, "talk", "text_delta"),
            await begun(before, "danger", "approval_requested"),
        ]
        assert counted == ["test.count"] * 2
        await versions.start(then)
        versions.fleet.model.script = THEN
        watchers = [asyncio.create_task(after.events(w.run.session_id, w.run.run_id)) for w in at_work]
        await versions.end(first, number)
        await approve(after, at_work[-1].run.session_id)
        for work, events in zip(at_work, await asyncio.gather(*watchers), strict=True):
            assert_whole(events)
            assert end(events, work.run.run_id).answer == ANSWERS[work.task]
            assert work.attempts(events) == [1, 2]
        assert counted == ["test.count"] * 2 + ["test.danger"]


async def test_a_canary_that_is_taken_away_leaves_its_runs_to_the_version_before(
    tmp_path: Path, redis_url: str
) -> None:
    """Which knows of no tracks, and keeps what it does not know."""
    counted: list[str] = []
    opened = asyncio.Event()
    opened.set()
    tools = [counting_tool("test.count", Annotations(), counted, opened)]
    at_once = {"MESHWRIGHT_HAND_OVER_GRACE": "0"}
    async with (
        two_versions(
            tmp_path, redis_url, AT_FIRST, tools, started=(OLD, NEW), canary=True, settings=at_once
        ) as versions,
        versions.talking_to(OLD) as stable,
        versions.talking_to(NEW) as canary,
    ):
        work = await begun(canary, "count", "tool_call_finished")
        stable_work = await begun(stable, "count", "tool_call_finished")
        assert (work.run.track, stable_work.run.track) == (Track.TRACK_CANARY, Track.TRACK_UNSPECIFIED)
        versions.fleet.model.script = THEN
        await versions.end(NEW, signal.SIGTERM)
        events = await stable.events(work.run.session_id, work.run.run_id)
        assert_whole(events)
        assert end(events, work.run.run_id).answer == "Counted."
        assert work.attempts(events) == [1, 2]
        assert counted == ["test.count"] * 2
        asked = pb.GetRunRequest(session_id=work.run.session_id, run_id=work.run.run_id)
        assert (await stable.stub.GetRun(asked)).run.track == Track.TRACK_CANARY


async def begun(mesh: AgentMesh, task: str, until: str) -> AtWork:
    """A run that has written such an event."""
    session_id = await mesh.new_session()
    run = await mesh.start(session_id, task)
    await mesh.wait_for(session_id, until)
    return AtWork(task, run)


async def approve(mesh: AgentMesh, session_id: str) -> None:
    listing = pb.ListApprovalsRequest(session_id=session_id, pending_only=True)
    (asked,) = (await mesh.stub.ListApprovals(listing)).approvals
    decision = pb.ApprovalDecision(approve=pb.Approve())
    await mesh.stub.ResolveApproval(
        pb.ResolveApprovalRequest(session_id=session_id, approval_id=asked.approval_id, decision=decision)
    )
