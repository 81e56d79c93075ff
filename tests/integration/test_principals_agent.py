"""What is one principal's at AgentService is nobody else's: a table over every RPC, and the run of a principal from end to end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from meshwright.serving.authentication.principals import home_of
from meshwright.serving.errors import MeshError
from meshwright.store.artifacts import ArtifactStore
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.run_pb2 import RunOutcome, RunSpec
from tests.model_script import Call, Say, in_turn
from tests.support.agent_mesh import AgentMesh, agent_mesh
from tests.support.principals import PATIENCE, As, answer, reason_of
from tests.support.token_issuer import authentication, bearer, token_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

APPROVED = pb.ApprovalDecision(approve=pb.Approve())
WRITE = Call("file.write", {"path": "a.txt", "content": "alice wrote this"})


class Scene:
    """A session of Alice's with a run at work that waits for her approval, and an artifact."""

    def __init__(self, mesh: AgentMesh) -> None:
        self.mesh = mesh
        self.alice, self.bob = As(mesh.stub, "alice"), As(mesh.stub, "bob")
        self.session_id = self.run_id = self.approval_id = self.artifact_id = ""

    async def set(self) -> None:
        self.session_id = (await self.alice.CreateSession(pb.CreateSessionRequest())).session.session_id
        start = pb.StartRunRequest(session_id=self.session_id, spec=RunSpec(task="Write."))
        self.run_id = (await self.alice.StartRun(start)).run.run_id
        event = await self.first_event("approval_requested")
        self.approval_id = event.approval_requested.approval.approval_id
        store = ArtifactStore(f"file://{self.mesh.data_dir / 'artifacts'}")
        kept = await store.put(home_of("alice", self.session_id), "a.txt", "text/plain", b"of Alice")
        self.artifact_id = kept.artifact_id

    async def first_event(self, kind: str) -> Any:
        watch = self.alice.WatchSession(pb.WatchSessionRequest(session_id=self.session_id))
        try:
            async with asyncio.timeout(PATIENCE):
                async for response in watch:
                    for event in response.events:
                        if event.WhichOneof("kind") == kind:
                            return event
        finally:
            watch.cancel()
        raise AssertionError(f"the stream ended without {kind}")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "redis"])
async def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("mesh")
    given = authentication(folder / "authentication")
    if request.param == "redis":
        given["store_url"] = request.getfixturevalue("redis_url")
    async with agent_mesh(folder, in_turn(WRITE, Say("Written.")), approvals="file.write", **given) as mesh:
        built = Scene(mesh)
        await built.set()
        yield built


def converse(stub: Any, session_id: str) -> Any:
    return stub.Converse(iter([pb.ConverseRequest(command_id="c1", start=pb.ConverseStart(session_id=session_id))]))


EVERY_RPC: dict[str, tuple[Callable[[Any, Scene], Any], str]] = {
    "Converse": (lambda stub, its: converse(stub, its.session_id), "SESSION_NOT_FOUND"),
    "CreateSession": (lambda stub, its: stub.CreateSession(pb.CreateSessionRequest()), "one of his own"),
    "GetSession": (
        lambda stub, its: stub.GetSession(pb.GetSessionRequest(session_id=its.session_id)),
        "SESSION_NOT_FOUND",
    ),
    "ListSessions": (lambda stub, its: stub.ListSessions(pb.ListSessionsRequest()), "his own only"),
    "DeleteSession": (
        lambda stub, its: stub.DeleteSession(pb.DeleteSessionRequest(session_id=its.session_id)),
        "SESSION_NOT_FOUND",
    ),
    "StartRun": (
        lambda stub, its: stub.StartRun(pb.StartRunRequest(session_id=its.session_id, spec=RunSpec(task="Mine."))),
        "SESSION_NOT_FOUND",
    ),
    "GetRun": (
        lambda stub, its: stub.GetRun(pb.GetRunRequest(session_id=its.session_id, run_id=its.run_id)),
        "SESSION_NOT_FOUND",
    ),
    "ListRuns": (lambda stub, its: stub.ListRuns(pb.ListRunsRequest(session_id=its.session_id)), "SESSION_NOT_FOUND"),
    "SteerRun": (
        lambda stub, its: stub.SteerRun(
            pb.SteerRunRequest(request_id="s1", session_id=its.session_id, run_id=its.run_id, text="Stop.")
        ),
        "SESSION_NOT_FOUND",
    ),
    "CancelRun": (
        lambda stub, its: stub.CancelRun(pb.CancelRunRequest(session_id=its.session_id, run_id=its.run_id)),
        "SESSION_NOT_FOUND",
    ),
    "ListApprovals": (
        lambda stub, its: stub.ListApprovals(pb.ListApprovalsRequest(session_id=its.session_id)),
        "SESSION_NOT_FOUND",
    ),
    "ResolveApproval": (
        lambda stub, its: stub.ResolveApproval(
            pb.ResolveApprovalRequest(session_id=its.session_id, approval_id=its.approval_id, decision=APPROVED)
        ),
        "SESSION_NOT_FOUND",
    ),
    "WatchSession": (
        lambda stub, its: stub.WatchSession(pb.WatchSessionRequest(session_id=its.session_id)),
        "SESSION_NOT_FOUND",
    ),
    "ReadArtifact": (
        lambda stub, its: stub.ReadArtifact(
            pb.ReadArtifactRequest(session_id=its.session_id, artifact_id=its.artifact_id)
        ),
        "SESSION_NOT_FOUND",
    ),
    "GetAgent": (lambda stub, its: stub.GetAgent(pb.GetAgentRequest()), "what everybody may know"),
}


async def test_the_table_has_every_rpc() -> None:
    assert set(EVERY_RPC) == set(pb.DESCRIPTOR.services_by_name["AgentService"].methods_by_name)


@pytest.mark.parametrize("rpc", [rpc for rpc, (_, told) in EVERY_RPC.items() if told == "SESSION_NOT_FOUND"])
async def test_what_is_anothers_is_not_there(scene: Scene, rpc: str) -> None:
    call, reason = EVERY_RPC[rpc]
    assert await reason_of(call(scene.bob, scene)) == reason
    session = (await scene.alice.GetSession(pb.GetSessionRequest(session_id=scene.session_id))).session
    assert (session.active_run_id, session.principal) == (scene.run_id, "alice")


@pytest.mark.parametrize("rpc", EVERY_RPC)
async def test_no_rpc_is_for_callers_without_a_token(scene: Scene, rpc: str) -> None:
    assert await reason_of(EVERY_RPC[rpc][0](scene.mesh.stub, scene)) == "UNAUTHENTICATED"


async def test_a_list_has_what_is_the_callers(scene: Scene) -> None:
    created = (await scene.bob.CreateSession(pb.CreateSessionRequest())).session
    assert created.principal == "bob"
    his = (await scene.bob.ListSessions(pb.ListSessionsRequest())).sessions
    hers = (await scene.alice.ListSessions(pb.ListSessionsRequest())).sessions
    assert {session.principal for session in his} == {"bob"}
    assert [session.session_id for session in hers] == [scene.session_id]


async def test_two_principals_may_use_the_same_request_id(scene: Scene) -> None:
    request = pb.CreateSessionRequest(request_id="the-same")
    mine, yours = [(await who.CreateSession(request)).session for who in (scene.bob, As(scene.mesh.stub, "carol"))]
    assert mine.session_id != yours.session_id
    assert (await scene.bob.CreateSession(request)).session.session_id == mine.session_id


async def test_an_artifact_of_the_same_id_in_ones_own_session_is_not_anothers(scene: Scene) -> None:
    own = (await scene.bob.CreateSession(pb.CreateSessionRequest())).session.session_id
    request = pb.ReadArtifactRequest(session_id=own, artifact_id=scene.artifact_id)
    assert await reason_of(scene.bob.ReadArtifact(request)) == "ARTIFACT_NOT_FOUND"
    request = pb.ReadArtifactRequest(session_id=scene.session_id, artifact_id=scene.artifact_id)
    pieces = await answer(scene.alice.ReadArtifact(request))
    assert b"".join(piece.data for piece in pieces) == b"of Alice"


async def test_the_owners_run_goes_on_and_writes_into_the_owners_workspace(scene: Scene) -> None:
    resolve = pb.ResolveApprovalRequest(session_id=scene.session_id, approval_id=scene.approval_id, decision=APPROVED)
    resolved = (await scene.alice.ResolveApproval(resolve)).approval
    assert resolved.approval_id == scene.approval_id
    end = (await scene.first_event("run_finished")).run_finished
    assert (end.outcome, end.answer) == (RunOutcome.RUN_OUTCOME_COMPLETED, "Written.")
    workspace = scene.mesh.data_dir / "workspaces" / home_of("alice", scene.session_id)
    assert (workspace / "a.txt").read_text() == "alice wrote this"


async def test_a_run_goes_on_with_tools_after_its_callers_token_has_expired(tmp_path: Path) -> None:
    script = in_turn(WRITE, Say("Written."))
    async with agent_mesh(tmp_path, script, approvals="file.write", **authentication(tmp_path / "auth")) as mesh:
        soon = bearer(token_of("alice", exp=int(time.time()) - 24))
        short_lived = pb.CreateSessionRequest()
        session_id = (await mesh.stub.CreateSession(short_lived, metadata=soon)).session.session_id
        start = pb.StartRunRequest(session_id=session_id, spec=RunSpec(task="Write."))
        await mesh.stub.StartRun(start, metadata=soon)
        watch = mesh.stub.WatchSession(pb.WatchSessionRequest(session_id=session_id), metadata=soon)
        async with asyncio.timeout(PATIENCE):
            async for response in watch:
                for event in response.events:
                    if event.HasField("approval_requested"):
                        await expired(mesh, soon)
                        approval_id = event.approval_requested.approval.approval_id
                        resolve = pb.ResolveApprovalRequest(
                            session_id=session_id, approval_id=approval_id, decision=APPROVED
                        )
                        await As(mesh.stub, "alice").ResolveApproval(resolve)
                    if event.HasField("run_finished"):
                        # The stream that was opened with it goes on as well.
                        assert event.run_finished.outcome == RunOutcome.RUN_OUTCOME_COMPLETED
                        watch.cancel()
                        return


async def expired(mesh: AgentMesh, shown: Any) -> None:
    """Wait until the token is refused."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await answer(mesh.stub.GetAgent(pb.GetAgentRequest(), metadata=shown))
            except MeshError as error:
                if error.reason_name == "UNAUTHENTICATED":
                    return
                raise
