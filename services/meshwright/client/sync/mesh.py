"""A mesh without `await`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from meshwright.client.credentials import TokenSource
from meshwright.client.mesh import TIMEOUT_SECONDS
from meshwright.client.mesh import Mesh as AsyncMesh
from meshwright.client.session import PAGE_SIZE
from meshwright.client.sync.background import background
from meshwright.client.sync.session import Session
from meshwright.client.sync.streams import RunStream, iterate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType
    from typing import Unpack

    from meshwright.client.infos import AgentInfo, SessionInfo
    from meshwright.client.options import RunOptions


class Mesh:
    """A connection to a mesh, for scripts and notebooks.

        with Mesh("localhost:8080") as mesh:
            for event in mesh.run("Compare the prices of the lamp and the desk in the demo shop"):
                print(event)

    Arguments, events and errors are those of meshwright.client.Mesh.
    """

    def __init__(
        self, address: str | None = None, *, token: TokenSource | None = None, timeout: float = TIMEOUT_SECONDS
    ) -> None:
        self._mesh = AsyncMesh(address, token=token, timeout=timeout)

    @property
    def address(self) -> str:
        """Where the mesh is."""
        return self._mesh.address

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every stream and close the connection. Runs go on."""
        background.run(self._mesh.close())

    def agent(self) -> AgentInfo:
        """What answers there. Raises Unavailable where nothing does."""
        return background.run(self._mesh.agent())

    def wait_ready(self, timeout: float = TIMEOUT_SECONDS) -> AgentInfo:
        """Wait, at most `timeout` seconds, for a mesh that is about to start. Raises Unavailable."""
        return background.run(self._mesh.wait_ready(timeout))

    def run(
        self,
        task: str,
        *,
        title: str = "",
        labels: Mapping[str, str] | None = None,
        request_id: str | None = None,
        **options: Unpack[RunOptions],
    ) -> RunStream:
        """Give a task in a new session and follow it: `for event in mesh.run("..."): ...`."""
        return RunStream(self._mesh.run(task, title=title, labels=labels, request_id=request_id, **options))

    def ask(self, task: str, **options: Unpack[RunOptions]) -> str:
        """Give a task in a new session and wait for the answer. Raises RunFailed, RunCancelled, RunExpired, MeshError."""
        return background.run(self._mesh.ask(task, **options))

    def create_session(
        self,
        *,
        title: str = "",
        labels: Mapping[str, str] | None = None,
        model: str = "",
        request_id: str | None = None,
    ) -> Session:
        """Make a session."""
        making = self._mesh.create_session(title=title, labels=labels, model=model, request_id=request_id)
        return Session(background.run(making))

    def session(self, session_id: str) -> Session:
        """A handle of a session that is there."""
        return Session(self._mesh.session(session_id))

    def sessions(self, *, page_size: int = PAGE_SIZE) -> Iterator[SessionInfo]:
        """The sessions, the last used first, fetched page by page."""
        return iterate(self._mesh.sessions(page_size=page_size))
