"""An upgrade and a rollback with one agent after the other on one store: each goes on with what the one before it left."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from meshwright.tools.tool import Annotations
from meshwright.v1 import agent_service_pb2 as pb
from tests.model_script import Call, Hang, Request, Say, Script, Steps
from tests.support.agent_tools import counting_tool
from tests.support.delegation import assert_whole, by_task, delegate, end, users
from tests.support.two_versions import NEW, OLD, two_versions

if TYPE_CHECKING:
    from pathlib import Path

    from meshwright.v1.event_pb2 import Event
    from meshwright.v1.run_pb2 import Run
    from tests.support.agent_mesh import AgentMesh
    from tests.support.two_versions import TwoVersions

COUNT, DANGER = Call("test.count", {}), Call("test.danger", {})


def repeats(request: Request) -> Steps:
    """Says what users have said in the session."""
    return Say(" / ".join(users(request)))


SCRIPT: dict[str, Script | Sequence[Steps]] = {
    "one": [Say("One.")],
    "two": repeats,
    "three": repeats,
    "plan": [delegate("look"), Say("Planned.")],
    "look": [COUNT, Say("Seen.")],
    "danger": [DANGER, Say("Done.")],
}
UNFINISHED = by_task({**SCRIPT, "long": [COUNT, [Say("So far"), Hang()]]})
FINISHED = by_task({**SCRIPT, "long": [COUNT, Say("To its end.")]})


class Story:
    """A mesh that is stopped and started with another version, and what one client has in it."""

    def __init__(self, versions: TwoVersions, stopped_by: signal.Signals) -> None:
        self._versions = versions
        self._stopped_by = stopped_by
        self._talk: list[Run] = []
        self._left: Run | None = None
        self._asked: Run | None = None
        self.written: dict[str, list[bytes]] = {}
        """The events of each session, as the last version gave them."""

    async def chapter(self, version: str, task: str) -> None:
        """Start a version: it has all that was, goes on with it, writes more, and ends with runs at work."""
        self._versions.fleet.model.script = FINISHED
        await self._versions.start(version)
        async with self._versions.talking_to(version) as mesh:
            await self._same_as_before(mesh)
            await self._end_what_was_left(mesh)
            await self._talk_more(mesh, task)
            planned = await mesh.do("plan")
            assert end(planned, planned[0].run_id).answer == "Planned."
            self._versions.fleet.model.script = UNFINISHED
            self._left = await begun(mesh, "long", "text_delta")
            self._asked = await begun(mesh, "danger", "approval_requested")
            await self._versions.end(version, self._stopped_by)

    async def the_end(self, version: str) -> None:
        """Start a version once more; it finds everything too."""
        self._versions.fleet.model.script = FINISHED
        await self._versions.start(version)
        async with self._versions.talking_to(version) as mesh:
            await self._end_what_was_left(mesh)

    async def _same_as_before(self, mesh: AgentMesh) -> None:
        for run in self._talk:
            events = await mesh.events(run.session_id, run.run_id)
            assert self.written[run.run_id] == [event.SerializeToString(deterministic=True) for event in events]

    async def _end_what_was_left(self, mesh: AgentMesh) -> None:
        if self._left is None or self._asked is None:
            return
        listing = pb.ListApprovalsRequest(session_id=self._asked.session_id, pending_only=True)
        (asked,) = (await mesh.stub.ListApprovals(listing)).approvals
        decision = pb.ApprovalDecision(approve=pb.Approve())
        answer = pb.ResolveApprovalRequest(
            session_id=self._asked.session_id, approval_id=asked.approval_id, decision=decision
        )
        await mesh.stub.ResolveApproval(answer)
        for run, said in ((self._left, "To its end."), (self._asked, "Done.")):
            events = await mesh.events(run.session_id, run.run_id)
            assert_whole(events)
            assert end(events, run.run_id).answer == said
            assert attempts(events) == [1, 2]

    async def _talk_more(self, mesh: AgentMesh, task: str) -> None:
        session_id = self._talk[0].session_id if self._talk else await mesh.new_session()
        run = await mesh.start(session_id, task)
        events = await mesh.events(session_id, run.run_id)
        self._talk.append(run)
        self.written[run.run_id] = [event.SerializeToString(deterministic=True) for event in events]


async def begun(mesh: AgentMesh, task: str, until: str) -> Run:
    """A run that has written such an event."""
    session_id = await mesh.new_session()
    run = await mesh.start(session_id, task)
    await mesh.wait_for(session_id, until)
    return run


def attempts(events: Sequence[Event]) -> list[int]:
    return [event.run_started.attempt for event in events if event.HasField("run_started")]


@pytest.mark.parametrize("engine", ["sqlite", "redis", "cluster"])
async def test_an_upgrade_is_taken_back_and_made_again(tmp_path: Path, store_address: str) -> None:
    counted: list[str] = []
    opened = asyncio.Event()
    opened.set()
    tools = [counting_tool(name, Annotations(), counted, opened) for name in ("test.count", "test.danger")]
    settings = {"MESHWRIGHT_APPROVALS": "test.danger", "MESHWRIGHT_HAND_OVER_GRACE": "0.2"}
    # On a shared store a dead agent's lease has to run out first: that is the other test's.
    stopped_by = signal.SIGTERM if store_address else signal.SIGKILL
    async with two_versions(tmp_path, store_address, UNFINISHED, tools, settings=settings) as versions:
        story = Story(versions, stopped_by)
        await story.chapter(OLD, "one")
        await story.chapter(NEW, "two")
        await story.chapter(OLD, "three")
        await story.the_end(NEW)
    # In each of three chapters once by the sub-agent, once by the run that was left; and once approved.
    assert sorted(counted) == ["test.count"] * 6 + ["test.danger"] * 3
