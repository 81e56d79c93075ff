"""Orders that reach a run in the moments between two of its acts: each counts, whenever it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from meshwright.store.interface import Claim, ClaimedRun, Draft
from meshwright.store.sqlite.store import SqliteStore
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.event_pb2 import EventKind
from meshwright.v1.run_pb2 import RunOutcome, SteeringMode
from tests.model_script import Call, Hang, Request, Say, Steps
from tests.support.agent_mesh import AgentMesh, agent_mesh
from tests.support.agent_tools import waiting_tool
from tests.support.delegation import by_task, child_of_task, delegate, end, users

CANCELLED = RunOutcome.RUN_OUTCOME_CANCELLED
Order = Callable[[str, str], Awaitable[object]]


class Moments:
    """Has the store wait, once it has carried something out, until an order is given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.order: Order | None = None

    async def _give(self, session_id: str, run_id: str) -> None:
        if (order := self.order) is not None:
            self.order = None
            await order(session_id, run_id)

    def after_claiming(self, method: str) -> None:
        """The order comes when a run is claimed, and whoever claimed it has not heard of it."""
        carry_out: Callable[..., Awaitable[ClaimedRun | None]] = getattr(SqliteStore, method)

        async def carried_out(store: SqliteStore, *arguments: Any, **named: Any) -> ClaimedRun | None:
            claimed = await carry_out(store, *arguments, **named)
            if claimed is not None:
                await self._give(claimed.claim.session_id, claimed.claim.run_id)
            return claimed

        self._monkeypatch.setattr(SqliteStore, method, carried_out)

    def after_writing(self, kind: EventKind.ValueType) -> None:
        """The order comes when an event of a kind is in the log, and its writer has not heard of it."""
        append = SqliteStore.append

        async def after(written: Awaitable[Any], claim: Claim) -> Any:
            events = await written
            await self._give(claim.session_id, claim.run_id)
            return events

        def appended(store: SqliteStore, claim: Claim, drafts: Sequence[Draft], *more: Any, **named: Any) -> Any:
            written = append(store, claim, drafts, *more, **named)
            if self.order is not None and any(draft.kind == kind for draft in drafts):
                return asyncio.ensure_future(after(written, claim))
            return written

        self._monkeypatch.setattr(SqliteStore, "append", appended)


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> Moments:
    return Moments(monkeypatch)


def cancelling(mesh: AgentMesh) -> Order:
    return lambda session_id, run_id: mesh.stub.CancelRun(pb.CancelRunRequest(session_id=session_id, run_id=run_id))


def interrupting(mesh: AgentMesh, text: str) -> Order:
    return lambda session_id, run_id: mesh.stub.SteerRun(
        pb.SteerRunRequest(
            request_id=text.replace(" ", "-"),
            session_id=session_id,
            run_id=run_id,
            text=text,
            mode=SteeringMode.STEERING_MODE_INTERRUPT,
        )
    )


async def test_a_run_that_is_cancelled_while_it_is_being_claimed_ends(tmp_path: Path, moments: Moments) -> None:
    moments.after_claiming("claim_run")
    async with agent_mesh(tmp_path, Hang()) as mesh:
        moments.order = cancelling(mesh)
        events = await mesh.do("wait for ever")
    assert events[-1].run_finished.outcome == CANCELLED


async def test_a_sub_agent_that_is_cancelled_while_it_is_being_claimed_ends(tmp_path: Path, moments: Moments) -> None:
    moments.after_claiming("enqueue_child")
    script = by_task({"lead": [delegate("help"), Say("Done without it.")], "help": [Hang()]})
    async with agent_mesh(tmp_path, script) as mesh:
        moments.order = cancelling(mesh)
        events = await mesh.do("lead")
    assert end(events, child_of_task(events, "help")).outcome == CANCELLED
    assert events[-1].run_finished.answer == "Done without it."


async def test_an_interrupt_stops_calls_that_are_about_to_be_made(tmp_path: Path, moments: Moments) -> None:
    def script(request: Request) -> Steps:
        return Call("test.wait", {}) if len(users(request)) == 1 else Say(" / ".join(users(request)))

    moments.after_writing(EventKind.EVENT_KIND_TOOL_CALL_STARTED)
    async with agent_mesh(tmp_path, script, [waiting_tool(asyncio.Event())]) as mesh:
        moments.order = interrupting(mesh, "stop that")
        events = await mesh.do("one")
    assert events[-1].run_finished.answer == "one / stop that"
    assert [e.WhichOneof("kind") for e in events if e.HasField("tool_call_finished")] == ["tool_call_finished"]


async def test_an_interrupt_reaches_the_step_that_is_about_to_begin(tmp_path: Path, moments: Moments) -> None:
    """It comes when the inputs of the step have been read already."""

    def script(request: Request) -> Steps:
        return Hang() if "stop that" not in users(request) else Say(" / ".join(users(request)))

    moments.after_writing(EventKind.EVENT_KIND_STEERING_RECEIPT)
    async with agent_mesh(tmp_path, script) as mesh:
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "one")
        await mesh.wait_for(session_id, "run_started")
        moments.order = interrupting(mesh, "stop that")
        await interrupting(mesh, "go on")(session_id, run.run_id)
        events = await mesh.events(session_id, run.run_id)
    assert events[-1].run_finished.answer == "one / go on / stop that"
