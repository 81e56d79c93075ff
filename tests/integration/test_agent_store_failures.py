"""An agent whose store takes claims and no events: it tries again now and then, and ends the run when it can."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from meshwright.agent import dispatcher
from meshwright.serving.errors import MeshError
from meshwright.store.interface import ClaimedRun
from meshwright.store.sqlite.store import SqliteStore
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.run_pb2 import Track
from tests.model_script import Say
from tests.support.agent_mesh import agent_mesh

LEASE = 0.4
FAILING_SECONDS = 1.7
PATIENCE = 60.0


async def test_a_run_whose_events_cannot_be_stored_is_tried_again_at_the_pace_of_leases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "LEASE_SECONDS", LEASE)
    monkeypatch.setattr(dispatcher, "CLAIM_RETRY_SECONDS", LEASE / 4)
    attempts: list[int] = []
    begun, failing = asyncio.Event(), asyncio.Event()
    failing.set()
    claim, append = SqliteStore.claim_run, SqliteStore.append

    async def claiming(
        store: SqliteStore, owner: str, lease_seconds: float, track: Track.ValueType
    ) -> ClaimedRun | None:
        claimed = await claim(store, owner, lease_seconds, track)
        if claimed is not None:
            attempts.append(claimed.run.attempt)
            begun.set()
        return claimed

    def appending(store: SqliteStore, *arguments: object, **named: object) -> object:
        if not failing.is_set():
            return append(store, *arguments, **named)  # type: ignore[arg-type]
        failed = asyncio.get_running_loop().create_future()
        error = MeshError(reasons.ERROR_REASON_UNAVAILABLE, "The store is full.", metadata={"service": "store"})
        failed.set_exception(error)
        return failed

    monkeypatch.setattr(SqliteStore, "claim_run", claiming)
    monkeypatch.setattr(SqliteStore, "append", appending)
    async with agent_mesh(tmp_path, Say("Hello.")) as mesh:
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "task")
        async with asyncio.timeout(PATIENCE):
            await begun.wait()
        since = time.monotonic()
        await asyncio.sleep(FAILING_SECONDS)
        assert len(attempts) <= 1 + (time.monotonic() - since) / LEASE
        failing.clear()
        events = await mesh.events(session_id, run.run_id)
        assert events[-1].run_finished.answer == "Hello."
        ended = (await mesh.stub.GetRun(pb.GetRunRequest(session_id=session_id, run_id=run.run_id))).run
    assert attempts == list(range(1, ended.attempt + 1))
