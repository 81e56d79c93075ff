"""A conversation with the agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshwright.client.approvals import approval, denial, list_approvals, resolve
from meshwright.client.artifacts import read_artifact, save_artifact
from meshwright.client.infos import RunInfo, SessionInfo
from meshwright.client.options import run_spec
from meshwright.client.request_id import new_request_id
from meshwright.client.run import Run
from meshwright.client.run_stream import Conversation, RunStream
from meshwright.client.steering import mode_number, steer
from meshwright.client.watch import WatchStream, event_filter
from meshwright.v1 import agent_service_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping
    from os import PathLike
    from pathlib import Path
    from typing import Any, Unpack

    from meshwright.client.connection import Connection
    from meshwright.client.enums import SteeringMode
    from meshwright.client.events import Event
    from meshwright.client.options import RunOptions
    from meshwright.client.records import Approval, Artifact, SteeringStatus

PAGE_SIZE = 50


class Session:
    """A handle of a session; making one asks nothing of the mesh."""

    def __init__(self, connection: Connection, session_id: str) -> None:
        self._connection = connection
        self.session_id = session_id
        """Its identifier, such as `ses_5f2b...`."""

    def __repr__(self) -> str:
        return f"Session({self.session_id!r})"

    async def info(self) -> SessionInfo:
        """The session as it is now. Raises NotFound."""
        request = pb.GetSessionRequest(session_id=self.session_id)
        answer = await self._connection.call(lambda stub: stub.GetSession, request, pb.GetSessionResponse)
        return SessionInfo.read(answer.session)

    def run(
        self,
        task: str,
        *,
        when_busy: SteeringMode | None = None,
        request_id: str | None = None,
        **options: Unpack[RunOptions],
    ) -> RunStream:
        """Give the session a task and follow it: `async for event in session.run("..."): ...`.

        Args:
            task: The task in plain language, 1 to 100,000 characters.
            when_busy: What to do while another run of the session is at work; by default the new one waits for it.
            request_id: Of your own making: the same task with the same id is started once. One is made by default.
            options: Model and limits; see RunOptions.

        Iterating raises MeshError: InvalidArgument, NotFound, FailedPrecondition, QuotaExceeded, Unavailable.
        """
        return RunStream(
            Conversation(
                connection=self._connection,
                start_run=pb.StartRunCommand(spec=run_spec(task, options), when_busy=mode_number(when_busy)),
                request_id=request_id or new_request_id(),
                session_id=self.session_id,
            )
        )

    async def ask(self, task: str, **options: Unpack[RunOptions]) -> str:
        """Give the session a task and wait for the answer. Raises RunFailed, RunCancelled, RunExpired, MeshError."""
        async with self.run(task, **options) as running:
            return (await running.result()).answer

    async def start(
        self,
        task: str,
        *,
        when_busy: SteeringMode | None = None,
        request_id: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run:
        """Give the session a task and do not wait for it; arguments and errors as of `run`."""
        request = pb.StartRunRequest(
            request_id=request_id or new_request_id(),
            session_id=self.session_id,
            spec=run_spec(task, options),
            when_busy=mode_number(when_busy),
        )
        answer = await self._connection.call(lambda stub: stub.StartRun, request, pb.StartRunResponse)
        return Run(self._connection, self.session_id, answer.run.run_id)

    def existing_run(self, run_id: str) -> Run:
        """A handle of a run that was started before."""
        return Run(self._connection, self.session_id, run_id)

    async def runs(self, *, page_size: int = PAGE_SIZE) -> AsyncIterator[RunInfo]:
        """The session's runs, the newest first, fetched page by page. Raises NotFound."""
        token = ""
        while True:
            request = pb.ListRunsRequest(session_id=self.session_id, page_size=page_size, page_token=token)
            page = await self._connection.call(lambda stub: stub.ListRuns, request, pb.ListRunsResponse)
            for run in page.runs:
                yield RunInfo.read(run)
            token = page.next_page_token
            if not token:
                return

    def events(
        self,
        after: int = 0,
        *,
        follow: bool = True,
        kinds: Iterable[type[Event]] = (),
        exclude: Iterable[type[Event]] = (),
    ) -> WatchStream:
        """The session's events after a cursor: those that are there, then live.

        Args:
            after: Sequence of the last event that you have; 0 for all.
            follow: Go on with what happens; otherwise end where the log ends.
            kinds: Classes of events to receive, such as `(TextDelta, RunFinished)`. Empty: all.
            exclude: Classes of events to leave out.

        Iterating raises MeshError: NotFound, OutOfRange for a cursor beyond the log, Unavailable.
        """
        wanted = event_filter(kinds, exclude)
        return WatchStream(self._connection, self.session_id, after=after, wanted=wanted, follow=follow)

    async def steer(
        self, text: str, *, mode: SteeringMode | None = None, request_id: str | None = None
    ) -> SteeringStatus:
        """Give an input to the session's active run; arguments and errors as of `Run.steer`."""
        return await steer(self._connection, self.session_id, "", text, mode, request_id)

    def approvals(self, *, pending_only: bool = True, page_size: int = PAGE_SIZE) -> AsyncIterator[Approval]:
        """The questions that runs of the session ask a person, the newest first. Raises NotFound."""
        return list_approvals(self._connection, self.session_id, pending_only=pending_only, page_size=page_size)

    async def approve(
        self,
        approval_id: str,
        *,
        arguments: Mapping[str, Any] | None = None,
        comment: str = "",
        request_id: str | None = None,
    ) -> Approval:
        """Let the call be made.

        Args:
            approval_id: The question.
            arguments: To use in place of the model's, whole; they must fit the question's `arguments_schema`.
            comment: What to tell the model.
            request_id: Of your own making.

        Raises FailedPrecondition (APPROVAL_CLOSED), InvalidArgument (TOOL_ARGUMENTS) and NotFound.
        """
        decision = approval(arguments, comment)
        return await resolve(self._connection, self.session_id, approval_id, decision, request_id)

    async def deny(self, approval_id: str, *, comment: str = "", request_id: str | None = None) -> Approval:
        """Do not let the call be made; the model is told, with the comment. Raises FailedPrecondition and NotFound."""
        return await resolve(self._connection, self.session_id, approval_id, denial(comment), request_id)

    async def artifact(self, artifact_id: str) -> Artifact:
        """A file of the session, with its content as `data`. Raises NotFound."""
        return await read_artifact(self._connection, self.session_id, artifact_id)

    async def save_artifact(self, artifact_id: str, path: str | PathLike[str]) -> Path:
        """Save a file of the session; in a folder it gets its own name. Returns where it is. Raises NotFound, OSError."""
        return await save_artifact(self._connection, self.session_id, artifact_id, path)

    async def delete(self, *, request_id: str | None = None) -> None:
        """Cancel the session's runs and delete its events, files and browser. Raises NotFound."""
        request = pb.DeleteSessionRequest(request_id=request_id or new_request_id(), session_id=self.session_id)
        await self._connection.call(lambda stub: stub.DeleteSession, request, pb.DeleteSessionResponse)
