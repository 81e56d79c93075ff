"""Changes of the shared store whose answer was lost with its connection: each happens once and is answered."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from meshwright.store.interface import Draft, Page
from meshwright.v1.event_pb2 import Event, EventKind
from meshwright.v1.run_pb2 import Run, RunOutcome, RunState
from tests.support.redis_server import flush
from tests.support.store_drive import LEASE, ME, a_claimed_run, a_notice, a_replica, a_run, a_session, refusal, texts

SESSION, RUN = "ses_1", "run_1"
PATIENCE = 60.0


class Relay:
    """Stands before a server and can lose the answer to a script: what was sent is done, and nobody hears of it."""

    def __init__(self, server: str, path: Path) -> None:
        self._server = server.removeprefix("unix://")
        self._path = path
        self.url = f"unix://{path}"
        self.lose = 0
        """How many more answers are lost, each with its connection."""
        self.lost = 0

    @contextlib.asynccontextmanager
    async def run(self) -> AsyncIterator[Relay]:
        async with await asyncio.start_unix_server(self._serve, self._path):
            yield self

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_unix_connection(self._server)
        back = asyncio.create_task(self._carry(server, to_client))
        try:
            while data := await client.read(1 << 20):
                losing = b"EVALSHA" in data and self.lose > 0
                if losing:
                    self.lose -= 1
                    self.lost += 1
                    back.cancel()
                    await asyncio.wait([back])
                to_server.write(data)
                if losing:
                    await server.read(1)
                    break
        finally:
            back.cancel()
            for writer in (to_server, to_client):
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(1 << 20):
            sink.write(data)
            await sink.drain()
        sink.close()


async def test_a_change_whose_answer_was_lost_happens_once_and_is_answered(redis_url: str, tmp_path: Path) -> None:
    await flush(redis_url)
    async with Relay(redis_url, tmp_path / "relay.sock").run() as relay, a_replica(relay.url) as store:
        claim = await a_claimed_run(store)
        relay.lose = 2
        appended = await store.append(claim, [a_notice("once", RUN), a_notice("only", RUN)])
        assert [event.sequence for event in appended] == [2, 3]
        relay.lose = 1
        queued = await a_run(store, "run_2")
        assert (queued.run_id, queued.first_sequence) == ("run_2", 4)
        relay.lose = 1
        ended = Run(run_id=RUN, session_id=SESSION, state=RunState.RUN_STATE_FINISHED)
        ended.outcome = RunOutcome.RUN_OUTCOME_COMPLETED
        end = Draft(EventKind.EVENT_KIND_RUN_FINISHED, RUN, Event(run_id=RUN).SerializeToString())
        await store.append(claim, [end], ended)
        assert (await store.get_run(ME, SESSION, RUN)).finish_sequence == ended.finish_sequence == 5
        assert relay.lost == 4
        assert await texts(store) == ["queued", "once", "only", "queued", ""]
        assert [run.run_id for run, _ in await store.list_runs(ME, SESSION, Page(10))] == ["run_2", RUN]


async def test_a_deletion_whose_answer_was_lost_is_one(redis_url: str, tmp_path: Path) -> None:
    await flush(redis_url)
    async with Relay(redis_url, tmp_path / "relay.sock").run() as relay, a_replica(relay.url) as store:
        await a_session(store)
        relay.lose = 1
        await store.delete_session(ME, SESSION, None)
        assert relay.lost == 1
        assert await refusal(store.delete_session(ME, SESSION, None)) == "SESSION_NOT_FOUND"


async def test_a_claim_whose_return_was_not_answered_is_free(redis_url: str, tmp_path: Path) -> None:
    await flush(redis_url)
    async with Relay(redis_url, tmp_path / "relay.sock").run() as relay, a_replica(relay.url) as store:
        claim = await a_claimed_run(store)
        relay.lose = 1
        await store.release_claims([claim])
        claimed = await store.claim_run("second", LEASE)
        assert claimed is not None
        assert claimed.run.attempt == 2


async def test_a_claim_whose_answer_was_lost_is_held(redis_url: str, tmp_path: Path) -> None:
    await flush(redis_url)
    async with Relay(redis_url, tmp_path / "relay.sock").run() as relay, a_replica(relay.url) as store:
        await a_session(store)
        await a_run(store)
        relay.lose = 1
        claimed = await store.claim_run("first", LEASE)
        assert relay.lost == 1
        assert claimed is not None
        assert claimed.run.attempt == 1
        await store.append(claimed.claim, [a_notice("mine", RUN)])
        assert await store.claim_run("second", LEASE) is None
