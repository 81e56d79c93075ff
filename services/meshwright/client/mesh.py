"""A mesh, as a program uses it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from meshwright.client.backoff import Backoff
from meshwright.client.connection import Connection
from meshwright.client.credentials import Credentials, TokenSource
from meshwright.client.errors import Unavailable
from meshwright.client.infos import AgentInfo, SessionInfo
from meshwright.client.options import run_spec
from meshwright.client.request_id import derived_request_id, new_request_id
from meshwright.client.run_stream import Conversation, RunStream
from meshwright.client.session import PAGE_SIZE, Session
from meshwright.client.target import Target
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.session_pb2 import Session as ProtoSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from types import TracebackType
    from typing import Unpack

    from meshwright.client.options import RunOptions

TIMEOUT_SECONDS = 30.0


class Mesh:
    """A connection to a mesh.

        async with Mesh("localhost:8080") as mesh:
            async for event in mesh.run("Compare the prices of the lamp and the desk in the demo shop"):
                print(event)

    It connects when it is first used. One is enough for a program, whatever the number of sessions.
    """

    def __init__(
        self, address: str | None = None, *, token: TokenSource | None = None, timeout: float = TIMEOUT_SECONDS
    ) -> None:
        """Args:
            address: `host:port`, `https://host` (TLS) or `unix:/path`. None: MESHWRIGHT_ADDRESS, or else localhost:8080.
            token: Bearer token that is sent with every call, or a function, async or not, that gives it: it is asked when the mesh is
                first used, and again whenever the token is not taken any more. None: MESHWRIGHT_TOKEN, or the content of the file
                that MESHWRIGHT_TOKEN_FILE names, or else none.
            timeout: Deadline in seconds of every call that is not a stream, retries included.

        Raises:
            ValueError: the address is none, or the token would travel in clear text to another machine.
        """
        target = Target.parse(address)
        credentials = Credentials(token)
        if credentials.some and not (target.secure or target.local):
            raise ValueError(f"A token does not go to {target.name} in clear text: write https://{target.endpoint}")
        self._connection = Connection(target, credentials, timeout)

    @property
    def address(self) -> str:
        """Where the mesh is."""
        return self._connection.target.name

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End every stream and close the connection. Runs go on."""
        await self._connection.close()

    async def agent(self) -> AgentInfo:
        """What answers there. Raises Unavailable where nothing does."""
        answer = await self._connection.call(lambda stub: stub.GetAgent, pb.GetAgentRequest(), pb.GetAgentResponse)
        return AgentInfo.read(answer.agent)

    async def wait_ready(self, timeout: float = TIMEOUT_SECONDS) -> AgentInfo:
        """Wait, at most `timeout` seconds, for a mesh that is about to start. Raises Unavailable."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        backoff = Backoff()
        while True:
            try:
                return await self.agent()
            except Unavailable:
                wait = backoff.next()
                if loop.time() + wait >= deadline:
                    raise
            await asyncio.sleep(wait)

    def run(
        self,
        task: str,
        *,
        title: str = "",
        labels: Mapping[str, str] | None = None,
        request_id: str | None = None,
        **options: Unpack[RunOptions],
    ) -> RunStream:
        """Give a task in a new session and follow it: `async for event in mesh.run("..."): ...`.

        Args:
            task: The task in plain language, 1 to 100,000 characters.
            title: Title of the session; by default the beginning of the task.
            labels: Labels of the session.
            request_id: Of your own making: the same task with the same id is started once. One is made by default.
            options: Model and limits; see RunOptions.

        Iterating raises MeshError: InvalidArgument, FailedPrecondition, QuotaExceeded, Unavailable.
        """
        request_id = request_id or new_request_id()
        return RunStream(
            Conversation(
                connection=self._connection,
                start_run=pb.StartRunCommand(spec=run_spec(task, options)),
                request_id=request_id,
                new_session=ProtoSession(title=title, labels=labels),
                # Whoever repeats the request finds the same session again.
                open_id=derived_request_id(request_id),
            )
        )

    async def ask(self, task: str, **options: Unpack[RunOptions]) -> str:
        """Give a task in a new session and wait for the answer. Raises RunFailed, RunCancelled, RunExpired, MeshError."""
        async with self.run(task, **options) as running:
            return (await running.result()).answer

    async def create_session(
        self,
        *,
        title: str = "",
        labels: Mapping[str, str] | None = None,
        model: str = "",
        request_id: str | None = None,
    ) -> Session:
        """Make a session.

        Args:
            title: Title for people, at most 200 characters; by default the beginning of the first task.
            labels: At most 32; keys of `[a-z0-9._-]`.
            model: Model of its runs unless a run names another.
            request_id: Of your own making: the same request with the same id makes one session.
        """
        request = pb.CreateSessionRequest(
            request_id=request_id or new_request_id(), session=ProtoSession(title=title, labels=labels, model=model)
        )
        answer = await self._connection.call(lambda stub: stub.CreateSession, request, pb.CreateSessionResponse)
        return Session(self._connection, answer.session.session_id)

    def session(self, session_id: str) -> Session:
        """A handle of a session that is there."""
        return Session(self._connection, session_id)

    async def sessions(self, *, page_size: int = PAGE_SIZE) -> AsyncIterator[SessionInfo]:
        """The sessions, the last used first, fetched page by page."""
        token = ""
        while True:
            request = pb.ListSessionsRequest(page_size=page_size, page_token=token)
            page = await self._connection.call(lambda stub: stub.ListSessions, request, pb.ListSessionsResponse)
            for session in page.sessions:
                yield SessionInfo.read(session)
            token = page.next_page_token
            if not token:
                return
