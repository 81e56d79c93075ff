"""A conversation with the agent, without `await`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshwright.client.session import PAGE_SIZE
from meshwright.client.sync.background import background
from meshwright.client.sync.streams import RunStream, WatchStream, iterate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from os import PathLike
    from pathlib import Path
    from typing import Any, Unpack

    from meshwright.client.enums import SteeringMode
    from meshwright.client.events import Event, RunFinished
    from meshwright.client.infos import RunInfo, SessionInfo
    from meshwright.client.options import RunOptions
    from meshwright.client.records import Approval, Artifact, SteeringStatus
    from meshwright.client.run import Run as AsyncRun
    from meshwright.client.session import Session as AsyncSession


class Run:
    """A handle of a run; as meshwright.client.Run."""

    def __init__(self, run: AsyncRun) -> None:
        self._run = run
        self.session_id = run.session_id
        """The session it belongs to."""
        self.run_id = run.run_id
        """Its identifier."""

    def __repr__(self) -> str:
        return repr(self._run)

    def info(self) -> RunInfo:
        """The run as it is now. Raises NotFound."""
        return background.run(self._run.info())

    def events(self, after: int = 0) -> WatchStream:
        """The run's events after a cursor: those that are there, then live, to `RunFinished`."""
        return WatchStream(self._run.events(after))

    def result(self) -> RunFinished:
        """Wait for the run's end. Raises RunFailed, RunCancelled, RunExpired; MeshError when it cannot be followed."""
        return background.run(self._run.result())

    def steer(self, text: str, *, mode: SteeringMode | None = None, request_id: str | None = None) -> SteeringStatus:
        """Give the run an input while it works; what becomes of it comes as SteeringReceipt events."""
        return background.run(self._run.steer(text, mode=mode, request_id=request_id))

    def cancel(self, *, request_id: str | None = None) -> RunInfo:
        """Ask the run to end. Raises FailedPrecondition (RUN_FINISHED) when it has ended, and NotFound."""
        return background.run(self._run.cancel(request_id=request_id))


class Session:
    """A handle of a session; as meshwright.client.Session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self.session_id = session.session_id
        """Its identifier."""

    def __repr__(self) -> str:
        return repr(self._session)

    def info(self) -> SessionInfo:
        """The session as it is now. Raises NotFound."""
        return background.run(self._session.info())

    def run(
        self,
        task: str,
        *,
        when_busy: SteeringMode | None = None,
        request_id: str | None = None,
        **options: Unpack[RunOptions],
    ) -> RunStream:
        """Give the session a task and follow it: `for event in session.run("..."): ...`."""
        return RunStream(self._session.run(task, when_busy=when_busy, request_id=request_id, **options))

    def ask(self, task: str, **options: Unpack[RunOptions]) -> str:
        """Give the session a task and wait for the answer. Raises RunFailed, RunCancelled, RunExpired, MeshError."""
        return background.run(self._session.ask(task, **options))

    def start(
        self,
        task: str,
        *,
        when_busy: SteeringMode | None = None,
        request_id: str | None = None,
        **options: Unpack[RunOptions],
    ) -> Run:
        """Give the session a task and do not wait for it."""
        return Run(background.run(self._session.start(task, when_busy=when_busy, request_id=request_id, **options)))

    def existing_run(self, run_id: str) -> Run:
        """A handle of a run that was started before."""
        return Run(self._session.existing_run(run_id))

    def runs(self, *, page_size: int = PAGE_SIZE) -> Iterator[RunInfo]:
        """The session's runs, the newest first, fetched page by page. Raises NotFound."""
        return iterate(self._session.runs(page_size=page_size))

    def events(
        self,
        after: int = 0,
        *,
        follow: bool = True,
        kinds: Iterable[type[Event]] = (),
        exclude: Iterable[type[Event]] = (),
    ) -> WatchStream:
        """The session's events after a cursor: those that are there, then, unless `follow` is false, live."""
        return WatchStream(self._session.events(after, follow=follow, kinds=kinds, exclude=exclude))

    def steer(self, text: str, *, mode: SteeringMode | None = None, request_id: str | None = None) -> SteeringStatus:
        """Give an input to the session's active run."""
        return background.run(self._session.steer(text, mode=mode, request_id=request_id))

    def approvals(self, *, pending_only: bool = True, page_size: int = PAGE_SIZE) -> Iterator[Approval]:
        """The questions that runs of the session ask a person, the newest first."""
        return iterate(self._session.approvals(pending_only=pending_only, page_size=page_size))

    def approve(
        self,
        approval_id: str,
        *,
        arguments: Mapping[str, Any] | None = None,
        comment: str = "",
        request_id: str | None = None,
    ) -> Approval:
        """Let the call be made, perhaps with other arguments than the model's."""
        answering = self._session.approve(approval_id, arguments=arguments, comment=comment, request_id=request_id)
        return background.run(answering)

    def deny(self, approval_id: str, *, comment: str = "", request_id: str | None = None) -> Approval:
        """Do not let the call be made; the model is told, with the comment."""
        return background.run(self._session.deny(approval_id, comment=comment, request_id=request_id))

    def artifact(self, artifact_id: str) -> Artifact:
        """A file of the session, with its content as `data`. Raises NotFound."""
        return background.run(self._session.artifact(artifact_id))

    def save_artifact(self, artifact_id: str, path: str | PathLike[str]) -> Path:
        """Save a file of the session; in a folder it gets its own name. Returns where it is."""
        return background.run(self._session.save_artifact(artifact_id, path))

    def delete(self, *, request_id: str | None = None) -> None:
        """Cancel the session's runs and delete its events, files and browser. Raises NotFound."""
        background.run(self._session.delete(request_id=request_id))
