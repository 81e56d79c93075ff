"""What a principal may have at most, at a real agent: sessions, runs, tokens of a day; and that others do not pay for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode

from meshwright.serving.errors import MeshError, Quota
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.run_pb2 import RunOutcome, RunSpec, SteeringMode
from meshwright.v1.stream_pb2 import Close
from tests.model_script import Call, Hang, Report, Say, Script, Steps, in_turn
from tests.support.agent_mesh import AgentMesh, agent_mesh
from tests.support.principals import PATIENCE, As, answer
from tests.support.token_issuer import authentication

ENGINES = ["sqlite", "redis"]
LIST = Call("file.list", {})


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest) -> dict[str, str]:
    """Settings of the store; the principals of a test are its own."""
    return {"store_url": request.getfixturevalue("redis_url")} if request.param == "redis" else {}


@asynccontextmanager
async def limited(folder: Path, script: Script | Steps, **given: Any) -> AsyncIterator[AgentMesh]:
    async with agent_mesh(folder, script, **given, **authentication(folder / "authentication")) as mesh:
        yield mesh


class Person:
    """A principal who uses one door or the other."""

    def __init__(self, mesh: AgentMesh, name: str, door: str = "unary") -> None:
        self.stub, self.name, self._door = As(mesh.stub, name), name, door

    async def create_session(self, request_id: str = "") -> str:
        if self._door == "unary":
            [created] = await answer(self.stub.CreateSession(pb.CreateSessionRequest(request_id=request_id)))
            return str(created.session.session_id)
        frames = await self._converse(request_id, pb.ConverseStart())
        return str(frames[0].attached.session.session_id)

    async def start_run(self, session_id: str, request_id: str = "r1", **how: Any) -> str:
        spec = RunSpec(task="Do it.")
        if self._door == "unary":
            request = pb.StartRunRequest(request_id=request_id, session_id=session_id, spec=spec, **how)
            [started] = await answer(self.stub.StartRun(request))
            return str(started.run.run_id)
        command = pb.ConverseRequest(command_id=request_id, start_run=pb.StartRunCommand(spec=spec, **how))
        frames = await self._converse("", pb.ConverseStart(session_id=session_id), command)
        [receipt] = [frame.receipt for frame in frames if frame.HasField("receipt")]
        if receipt.HasField("error"):
            raise MeshError.from_status(receipt.error)
        return str(receipt.run.run_id)

    async def end(self, session_id: str, run_id: str) -> Any:
        """How the run ended."""
        watch = pb.WatchSessionRequest(session_id=session_id, until_run_id=run_id)
        async with asyncio.timeout(PATIENCE):
            events = [event for response in await answer(self.stub.WatchSession(watch)) for event in response.events]
        return events[-1].run_finished

    async def _converse(self, start_id: str, start: pb.ConverseStart, *commands: pb.ConverseRequest) -> list[Any]:
        opening = pb.ConverseRequest(command_id=start_id or "start", start=start)
        closing = pb.ConverseRequest(command_id="close", close=Close())
        async with asyncio.timeout(PATIENCE):
            return await answer(self.stub.Converse(iter([opening, *commands, closing])))


async def refusal(attempt: Any) -> MeshError:
    with pytest.raises(MeshError) as caught:
        await attempt
    error = caught.value
    assert (error.reason_name, error.code) == ("QUOTA_EXCEEDED", StatusCode.RESOURCE_EXHAUSTED)
    assert error.retry_after
    return error


DOORS = pytest.mark.parametrize("door", ["unary", "converse"])


@DOORS
async def test_sessions(tmp_path: Path, store: dict[str, str], door: str) -> None:
    async with limited(tmp_path, Say("Done."), quota_sessions=2, **store) as mesh:
        alice, bob = Person(mesh, f"alice-{door}", door), Person(mesh, f"bob-{door}", door)
        first = await alice.create_session("c1")
        await alice.create_session("c2")
        error = await refusal(alice.create_session("c3"))
        assert error.quota == Quota("sessions", 2, f"principal:{alice.name}")
        assert error.metadata == {"quota": "sessions", "limit": "2"}
        # What was done already is told again, and nobody else is refused.
        assert await alice.create_session("c1") == first
        await bob.create_session("c1")
        await alice.stub.DeleteSession(pb.DeleteSessionRequest(session_id=first))
        await alice.create_session("c4")


@DOORS
async def test_runs(tmp_path: Path, store: dict[str, str], door: str) -> None:
    async with limited(tmp_path, Hang(), quota_runs=2, **store) as mesh:
        alice, bob = Person(mesh, f"alice-runs-{door}", door), Person(mesh, f"bob-runs-{door}", door)
        sessions = [await alice.create_session(f"c{number}") for number in range(2)]
        runs = [await alice.start_run(sessions[0], "r1"), await alice.start_run(sessions[0], "r2")]
        for session_id in sessions:
            error = await refusal(alice.start_run(session_id, "r3"))
            assert error.quota == Quota("concurrent_runs", 2, f"principal:{alice.name}")
        assert await alice.start_run(sessions[0], "r1") == runs[0]
        steer = pb.SteerRunRequest(
            request_id="s1", session_id=sessions[0], text="More.", mode=SteeringMode.STEERING_MODE_ENQUEUE
        )
        await refusal(answer(alice.stub.SteerRun(steer)))
        # An input to the run at work is no further run.
        await alice.start_run(sessions[0], "r5", when_busy=SteeringMode.STEERING_MODE_STEER)
        await bob.start_run(await bob.create_session(), "r1")
        await alice.stub.CancelRun(pb.CancelRunRequest(session_id=sessions[0], run_id=runs[1]))
        await alice.start_run(sessions[1], "r6")


async def test_tokens_of_a_day_end_a_run_and_refuse_the_next(tmp_path: Path, store: dict[str, str]) -> None:
    script = in_turn([LIST, Report(60, 40)], [LIST, Report(60, 40)], Say("Done."))
    async with limited(tmp_path, script, quota_tokens_per_day=200, **store) as mesh:
        alice, bob = Person(mesh, "alice-tokens"), Person(mesh, "bob-tokens")
        session_id = await alice.create_session()
        end = await alice.end(session_id, await alice.start_run(session_id))
        assert end.outcome == RunOutcome.RUN_OUTCOME_FAILED
        error = MeshError.from_status(end.error)
        assert (error.reason_name, error.quota) == (
            "QUOTA_EXCEEDED",
            Quota("tokens_per_day", 200, f"principal:{alice.name}"),
        )
        assert end.usage.input_tokens + end.usage.output_tokens == 200
        refused = await refusal(alice.start_run(session_id, "r2"))
        assert refused.metadata == {"quota": "tokens_per_day", "limit": "200"}
        assert refused.retry_after is not None
        assert refused.retry_after <= 86_400
        session_id = await bob.create_session()
        await bob.start_run(session_id)


async def test_without_quotas_nothing_is_counted_out(tmp_path: Path, store: dict[str, str]) -> None:
    async with limited(tmp_path, Hang(), **store) as mesh:
        dora = Person(mesh, "dora")
        for number in range(5):
            session_id = await dora.create_session(f"c{number}")
            await dora.start_run(session_id, f"r{number}")


async def test_the_local_principal_has_quotas_too(tmp_path: Path) -> None:
    async with agent_mesh(tmp_path, Say("Done."), quota_sessions=1) as mesh:
        await mesh.new_session()
        error = await refusal(answer(mesh.stub.CreateSession(pb.CreateSessionRequest())))
        assert error.quota == Quota("sessions", 1, "principal:local")
