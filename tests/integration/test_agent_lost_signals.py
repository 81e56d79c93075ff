"""Signals between replicas may get lost, as with a connection to Redis that breaks: what they were to tell counts all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshwright.agent import approving, dispatcher
from meshwright.store.sqlite.store import SqliteStore
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.run_pb2 import RunOutcome
from tests.model_script import Call, Hang, Say, in_turn
from tests.support.agent_mesh import agent_mesh

SOON = 0.1


@pytest.fixture(autouse=True)
def lost_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SqliteStore, "listen", lambda store, listener: None)
    monkeypatch.setattr(dispatcher, "RENEW_SECONDS", SOON)
    monkeypatch.setattr(dispatcher, "CLAIM_RETRY_SECONDS", SOON)
    monkeypatch.setattr(approving, "LOOK_SECONDS", SOON)


async def test_a_run_that_is_cancelled_ends(tmp_path: Path) -> None:
    async with agent_mesh(tmp_path, Hang()) as mesh:
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "wait for ever")
        await mesh.wait_for(session_id, "run_started")
        await mesh.stub.CancelRun(pb.CancelRunRequest(session_id=session_id, run_id=run.run_id))
        events = await mesh.events(session_id, run.run_id)
    assert events[-1].run_finished.outcome == RunOutcome.RUN_OUTCOME_CANCELLED


async def test_a_question_that_is_answered_is_closed(tmp_path: Path) -> None:
    write = Call("file.write", {"path": "a.txt", "content": "text"})
    async with agent_mesh(tmp_path, in_turn(write, Say("Done.")), approvals="file.write") as mesh:
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "write")
        asked = (await mesh.wait_for(session_id, "approval_requested")).approval_requested.approval
        await mesh.stub.ResolveApproval(
            pb.ResolveApprovalRequest(
                session_id=session_id,
                approval_id=asked.approval_id,
                decision=pb.ApprovalDecision(approve=pb.Approve()),
            )
        )
        events = await mesh.events(session_id, run.run_id)
    assert events[-1].run_finished.answer == "Done."
