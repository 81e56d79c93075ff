"""Work of each kind for a whole mesh, after which its store has something of everything that it writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToDict

from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.run_pb2 import RunOptions
from meshwright.v1.session_pb2 import Session
from tests.model_script import Call, Fail, Hang, Say, Script, Steps, Think
from tests.support.delegation import by_task, delegate
from tests.support.flags import document, flag

if TYPE_CHECKING:
    from meshwright.v1.event_pb2 import Event
    from meshwright.v1.run_pb2 import Run
    from tests.support.agent_mesh import AgentMesh

LIST = Call("file.list", {})
WRITE = Call("file.write", {"path": "a.txt", "content": "as the model wanted"})
MINUTE = RunOptions()
MINUTE.timeout.FromSeconds(60)
FLAGS = document(**{"meshwright.max_steps": flag({"short": 12}, "short")})
SETTINGS = {
    "MESHWRIGHT_APPROVALS": "file.write",
    "MESHWRIGHT_MODEL_ATTEMPTS": "1",
    "MESHWRIGHT_MAX_EVENTS": "12",
    "MESHWRIGHT_IDLE_BROWSER": "0",
    "MESHWRIGHT_QUOTA_RUNS": "20",
    "MESHWRIGHT_QUOTA_SESSIONS": "20",
    "MESHWRIGHT_QUOTA_TOKENS_PER_DAY": "1000000",
}


def script_of(url: str) -> Script:
    """The model, with a mesh at this address."""
    shop: list[Steps] = [
        [Think("Let me look."), Call("browser.open", {"url": f"{url}/demo/"})],
        Call("browser.screenshot", {}),
    ]
    return by_task(
        {
            "hello": [Say("Hello.")],
            "shop": [*shop, Say("A shop.")],
            "list": [LIST, Say("Nothing.")],
            "write": [WRITE, Say("Written, or not.")],
            "fail": [Fail(401, "no such key")],
            "think": [[Say("Well"), Hang()]],
            "plan": [[delegate("look"), delegate("look on")], Say("Planned.")],
            "look": [LIST, Say("Seen.")],
            "look on": [LIST, Hang()],
        }
    )


class Scene:
    """What is done, through the gateway of a running mesh."""

    def __init__(self, mesh: AgentMesh) -> None:
        self._mesh = mesh

    async def play(self) -> None:
        """All of it. At the end one run waits for an answer with another behind it, and one for its sub-agent."""
        await self._talk()
        await self._look()
        await self._endings()
        await self._steer()
        await self._questions()
        await self._family()
        gone = await self._mesh.new_session()
        await self._mesh.stub.DeleteSession(pb.DeleteSessionRequest(session_id=gone))

    async def said(self) -> dict[str, Any]:
        """What the mesh tells about everything in it."""
        stub = self._mesh.stub
        sessions = (await stub.ListSessions(pb.ListSessionsRequest())).sessions
        return {"sessions": [await self._said_of(session) for session in sessions]}

    async def _said_of(self, session: Session) -> dict[str, Any]:
        stub, session_id = self._mesh.stub, session.session_id
        runs = (await stub.ListRuns(pb.ListRunsRequest(session_id=session_id))).runs
        approvals = (await stub.ListApprovals(pb.ListApprovalsRequest(session_id=session_id))).approvals
        watch = stub.WatchSession(pb.WatchSessionRequest(session_id=session_id))
        events: list[Event] = []
        async for response in watch:
            events += response.events
            if events and events[-1].sequence >= session.last_sequence:
                break
        watch.cancel()
        return {
            "session": MessageToDict(session),
            "runs": [MessageToDict(run) for run in runs],
            "approvals": [MessageToDict(approval) for approval in approvals],
            "events": [MessageToDict(event) for event in events],
        }

    async def _talk(self) -> None:
        """A session with a name of its own that has lost its first runs, and one whose request was repeated."""
        session = Session(title="Greetings", labels={"made": "by hand"}, model="openai:scripted")
        created = await self._mesh.stub.CreateSession(pb.CreateSessionRequest(session=session, request_id="create"))
        for number in range(3):
            await self._do("hello", created.session.session_id, request_id=f"hello-{number}")

    async def _look(self) -> None:
        """A session that had a browser and a picture made, and gave the browser back after its run."""
        run = await self._do("shop")
        await self._mesh.events_until(run.session_id, "usage_recorded", 5)
        await self._mesh.wait_for(run.session_id, "browser_detached")

    async def _endings(self) -> None:
        """Runs that failed, were cancelled at work and in the queue, and took too long."""
        failed = await self._do("fail")
        expiring = RunOptions()
        expiring.timeout.FromSeconds(1)
        await self._do("think", failed.session_id, options=expiring)
        at_work = await self._begin("think", "text_delta", failed.session_id)
        behind = await self._mesh.start(failed.session_id, "never begun")
        for run in (behind, at_work):
            cancel = pb.CancelRunRequest(session_id=run.session_id, run_id=run.run_id)
            await self._mesh.stub.CancelRun(cancel)
        await self._mesh.events(at_work.session_id, at_work.run_id)

    async def _steer(self) -> None:
        """An input that a run took, and one that came back."""
        run = await self._begin("write", "approval_requested")
        for number, text in enumerate(("list", "also")):
            steer = pb.SteerRunRequest(session_id=run.session_id, text=text, request_id=f"steer-{number}")
            await self._mesh.stub.SteerRun(steer)
        await self._answer(run, pb.ApprovalDecision(deny=pb.Deny(), comment="Do not."))
        await self._mesh.events(run.session_id, run.run_id)

    async def _questions(self) -> None:
        """One answered with other arguments, and one that waits, with a run behind."""
        run = await self._begin("write", "approval_requested")
        edited = pb.ApprovalDecision(approve=pb.Approve())
        edited.approve.edited_arguments.update({"path": "b.txt", "content": "as the person wanted"})
        await self._answer(run, edited)
        await self._mesh.events(run.session_id, run.run_id)
        await self._mesh.start(run.session_id, "write", options=MINUTE)
        await self._mesh.events_until(run.session_id, "approval_requested", 2)
        await self._mesh.start(run.session_id, "hello")

    async def _family(self) -> None:
        """A run with one sub-agent that has ended, and one that has not."""
        session_id = await self._mesh.new_session()
        await self._mesh.start(session_id, "plan", options=MINUTE)
        await self._mesh.events_until(session_id, "usage_recorded", 4)

    async def _begin(self, task: str, until: str, session_id: str = "") -> Run:
        run = await self._mesh.start(session_id or await self._mesh.new_session(), task)
        watch = self._mesh.stub.WatchSession(
            pb.WatchSessionRequest(session_id=run.session_id, after_sequence=run.first_sequence)
        )
        async for response in watch:
            if any(event.WhichOneof("kind") == until for event in response.events):
                break
        watch.cancel()
        return run

    async def _do(
        self, task: str, session_id: str = "", options: RunOptions | None = None, request_id: str = ""
    ) -> Run:
        session_id = session_id or await self._mesh.new_session()
        run = await self._mesh.start(session_id, task, options=options, request_id=request_id)
        await self._mesh.events(session_id, run.run_id, run.first_sequence - 1)
        return run

    async def _answer(self, run: Run, decision: pb.ApprovalDecision) -> None:
        listing = pb.ListApprovalsRequest(session_id=run.session_id, pending_only=True)
        (asked,) = (await self._mesh.stub.ListApprovals(listing)).approvals
        answer = pb.ResolveApprovalRequest(
            session_id=run.session_id,
            approval_id=asked.approval_id,
            decision=decision,
            request_id=f"answer-{run.run_id}",
        )
        await self._mesh.stub.ResolveApproval(answer)
