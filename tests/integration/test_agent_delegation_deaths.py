"""A worker that dies after any of its changes to the store, in the middle of a family: the next one finishes what it left."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from meshwright.serving.errors import MeshError
from meshwright.store.refusals import claim_lost
from meshwright.store.sqlite.store import SqliteStore
from meshwright.tools.tool import Annotations
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.event_pb2 import Event
from meshwright.v1.run_pb2 import RunOutcome
from meshwright.v1.tool_pb2 import ToolOutcome
from tests.model_script import Call, Report, Say, in_turn
from tests.support.agent_mesh import PATIENCE, AgentMesh, agent_mesh
from tests.support.agent_tools import counting_tool
from tests.support.delegation import assert_whole, by_task, children, delegate, end, of_run

COUNT = Call("test.count", {})
SCRIPT = by_task(
    {
        "plan": in_turn([delegate("look"), COUNT], [delegate("again"), Report(7, 1)], Say("Done.")),
        "look": in_turn([Say("I look."), delegate("closely"), COUNT], Say("Seen.")),
        "closely": in_turn([COUNT, Report(100, 10)], Say("Seen closely.")),
        "again": in_turn(Say("Seen again.")),
    }
)
CHANGES = 34
"""So many changes this family makes, or a few less: text may be stored in one piece or two."""


@contextmanager
def dying_after(changes: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[asyncio.Event]:
    """Under its claims the process makes so many changes and not one more; set when it has died."""
    died = asyncio.Event()
    left = changes
    append, enqueue_child = SqliteStore.append, SqliteStore.enqueue_child

    def is_dead() -> bool:
        nonlocal left
        left -= 1
        if left < 0:
            died.set()
        return left < 0

    def mortal_append(self: SqliteStore, claim: Any, *arguments: Any, **named: Any) -> asyncio.Future[Any]:
        if is_dead():
            refused: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            refused.set_exception(claim_lost(claim.run_id))
            return refused
        return append(self, claim, *arguments, **named)

    async def mortal_enqueue(self: SqliteStore, claim: Any, *arguments: Any) -> Any:
        if is_dead():
            raise claim_lost(claim.run_id)
        return await enqueue_child(self, claim, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(SqliteStore, "append", mortal_append)
        patched.setattr(SqliteStore, "enqueue_child", mortal_enqueue)
        yield died


@pytest.mark.parametrize("changes", range(1, CHANGES, 2))
async def test_a_family_is_finished_whenever_its_worker_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: int
) -> None:
    made: list[str] = []
    gate = asyncio.Event()
    gate.set()
    tool = counting_tool("test.count", Annotations(), made, gate)
    with dying_after(changes, monkeypatch) as died:
        async with agent_mesh(tmp_path, SCRIPT, [tool], hand_over_grace=0) as mesh:
            session_id = await mesh.new_session()
            run_id = (await mesh.start(session_id, "plan")).run_id
            await died_or_done(mesh, session_id, run_id, died)
    async with agent_mesh(tmp_path, SCRIPT, [tool]) as mesh:
        events = await mesh.events(session_id, run_id)
        session = (await mesh.stub.GetSession(pb.GetSessionRequest(session_id=session_id))).session
    assert_whole(events)
    look, again = children(events, run_id)
    (closely,) = children(events, look)
    answers = [end(events, run).answer for run in (run_id, look, again, closely)]
    assert answers == ["Done.", "Seen.", "Seen again.", "Seen closely."]
    assert end(events, run_id).outcome == RunOutcome.RUN_OUTCOME_COMPLETED
    check_calls(events, made)
    check_usage(events, run_id)
    assert session.usage == end(events, run_id).usage


async def died_or_done(mesh: AgentMesh, session_id: str, run_id: str, died: asyncio.Event) -> None:
    """Wait until the worker has died, or has nothing more to do."""
    async with asyncio.timeout(PATIENCE):
        while not died.is_set():
            run = (await mesh.stub.GetRun(pb.GetRunRequest(session_id=session_id, run_id=run_id))).run
            if run.finish_sequence:
                return
            await asyncio.sleep(0.01)


def check_calls(events: list[Event], made: list[str]) -> None:
    """Every call was begun and ended once, and none was made twice."""
    begun = Counter(event.tool_call_started.call_id for event in events if event.HasField("tool_call_started"))
    ends = {e.tool_call_finished.call_id: e.tool_call_finished for e in events if e.HasField("tool_call_finished")}
    assert set(begun.values()) == {1}
    assert begun.keys() == ends.keys()
    counted = [end.completion for end in ends.values() if end.tool == "test.count"]
    assert len(counted) == 3
    succeeded = sum(completion.outcome == ToolOutcome.TOOL_OUTCOME_SUCCEEDED for completion in counted)
    unknown = [completion for completion in counted if completion.outcome == ToolOutcome.TOOL_OUTCOME_UNKNOWN]
    assert {MeshError.from_status(each.error).reason_name for each in unknown} <= {"TOOL_OUTCOME_UNKNOWN"}
    assert succeeded + len(unknown) == 3
    assert succeeded <= len(made) <= 3


def check_usage(events: list[Event], run_id: str) -> None:
    """What the root used is what all of them used, each model call once."""
    recorded = [event.usage_recorded.usage for event in events if event.HasField("usage_recorded")]
    used = end(events, run_id).usage
    assert used.model_calls == sum(usage.model_calls for usage in recorded)
    assert used.input_tokens == sum(usage.input_tokens for usage in recorded)
    assert used.tool_calls == 6
    assert len(of_run(events, run_id)) > 0
