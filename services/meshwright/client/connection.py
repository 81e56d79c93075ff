"""The channel to a mesh, and calls over it that are retried where that is safe."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import grpc
from grpc import ChannelConnectivity, StatusCode

from meshwright.client.affinity import session_metadata
from meshwright.client.backoff import Backoff
from meshwright.client.credentials import Credentials, Showing
from meshwright.client.errors import DeadlineExceeded, MeshError, Unavailable
from meshwright.client.statuses import error_from_rpc
from meshwright.client.tracing import trace_metadata
from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

    from meshwright.client.target import Target

A = TypeVar("A", bound="Message")
Metadata: TypeAlias = tuple[tuple[str, str], ...]

SHORTEST_ATTEMPT_SECONDS = 0.05


class Connection:
    """One channel to one mesh. It is opened when it is first used, inside the running loop."""

    def __init__(self, target: Target, credentials: Credentials, timeout: float) -> None:
        self.target = target
        self.timeout = timeout
        self._credentials = credentials
        self.closed = False
        self._reached = False
        self._channel: grpc.aio.Channel | None = None
        self._stub: AgentServiceStub | None = None

    def showing(self) -> Showing:
        """Who calls, for one series of attempts."""
        return Showing(self._credentials)

    async def metadata(self, showing: Showing) -> Metadata:
        """What goes with a call that is made now: who calls, and on behalf of which span of the app. Raises Unauthenticated."""
        return await showing.metadata() + trace_metadata()

    @property
    def stub(self) -> AgentServiceStub:
        """The generated stub. Raises MeshError once the connection is closed."""
        if self.closed:
            raise self.closed_error()
        if self._stub is None:
            self._channel = self.target.open_channel()
            self._stub = AgentServiceStub(self._channel)
        return self._stub

    async def close(self) -> None:
        """End every call and close the channel."""
        self.closed = True
        channel, self._channel, self._stub = self._channel, None, None
        if channel is not None:
            await channel.close()

    async def call(
        self, method: Callable[[AgentServiceStub], Any], request: Message, answer: type[A], timeout: float | None = None
    ) -> A:
        """A unary call that is safe to repeat: repeated while the mesh is unavailable and the deadline allows.

        `timeout` is in seconds, over all attempts; None means the connection's own. Raises MeshError.
        """
        loop = asyncio.get_running_loop()
        seconds = self.timeout if timeout is None else timeout
        deadline = loop.time() + seconds
        backoff = Backoff()
        showing = self.showing()
        about = session_metadata(getattr(request, "session_id", ""))
        while True:
            try:
                metadata = await self.metadata(showing) + about
                got = await method(self.stub)(
                    request, timeout=max(deadline - loop.time(), SHORTEST_ATTEMPT_SECONDS), metadata=metadata
                )
            except grpc.aio.AioRpcError as failure:
                error = self.failed(failure, seconds)
                if showing.has_more(error):
                    continue
                wait = backoff.next(error.retry_after)
                if not self.worth_retrying(error) or loop.time() + wait >= deadline:
                    raise error from failure
            except asyncio.CancelledError:
                self.check_open()
                raise
            else:
                self._reached = True
                assert isinstance(got, answer)
                return got
            await asyncio.sleep(wait)

    def failed(self, failure: grpc.aio.AioRpcError, timeout: float | None = None) -> MeshError:
        """The error of a failed call, in words that say what to do. `timeout` is what the call was given, in seconds."""
        error = error_from_rpc(failure)
        if error.reason or self._is_connected():
            self._reached = True
        if error.reason:
            return error
        if error.code is StatusCode.UNAVAILABLE:
            return self.unreachable(error)
        if error.code is StatusCode.DEADLINE_EXCEEDED and timeout is not None:
            return DeadlineExceeded(f"The mesh at {self.target.name} did not answer within {timeout:g} s.")
        return error

    def reached(self) -> None:
        """Something came from the mesh."""
        self._reached = True

    def worth_retrying(self, error: MeshError) -> bool:
        """Whether the same call may succeed soon. A mesh that was never there is not waited for."""
        return isinstance(error, Unavailable) and self._reached

    def unreachable(self, cause: MeshError) -> Unavailable:
        """What to tell a person when nothing answers at the address."""
        if self._is_connected():
            return Unavailable(f"The mesh at {self.target.name} cannot be used right now: {cause.message}")
        hint = "start it with `meshwright up`" if self.target.local else "is the address right, and does it run?"
        return Unavailable(f"There is no mesh at {self.target.name}: {hint}", metadata={"address": self.target.name})

    def closed_error(self) -> MeshError:
        """What to tell a program that uses a mesh which it has closed."""
        return MeshError(f"This connection to {self.target.name} was closed.", code=StatusCode.CANCELLED)

    def check_open(self) -> None:
        """Raise MeshError when it was the closing of the connection that cancelled a call, and not its caller."""
        task = asyncio.current_task()
        if self.closed and (task is None or not task.cancelling()):
            raise self.closed_error()

    def _is_connected(self) -> bool:
        return self._channel is not None and self._channel.get_state() is ChannelConnectivity.READY
