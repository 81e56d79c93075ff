"""Every call of the SDK about a session names it, so that a gateway can keep a session with one version of the agent."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from meshwright.client import Mesh, MeshError
from meshwright.gateway.traffic import SESSION_HEADER
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.session_pb2 import Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from meshwright.client import Session as Handle

NAME = "ses_1"


class Refusing(grpc.GenericRpcHandler):
    """Refuses every call but GetSession of a session that it knows, and notes which session each call named."""

    def __init__(self) -> None:
        self.named: dict[str, str | None] = {}
        self.known = False

    def service(self, handler_call_details: Any) -> Any:
        """The handler of any method."""
        metadata = dict(handler_call_details.invocation_metadata)
        method = handler_call_details.method.rpartition("/")[2]
        self.named[method] = metadata.get(SESSION_HEADER)
        answers = self.known and method == "GetSession"
        return grpc.stream_stream_rpc_method_handler(self.answer if answers else self.refuse)

    async def answer(self, _requests: Any, _context: Any) -> AsyncIterator[bytes]:
        """Say what is known of the session."""
        yield pb.GetSessionResponse(session=Session(session_id=NAME)).SerializeToString()

    async def refuse(self, _requests: Any, context: Any) -> AsyncIterator[bytes]:
        """End the call."""
        await context.abort(grpc.StatusCode.NOT_FOUND, "nothing is here")
        yield b""


@contextlib.asynccontextmanager
async def refusing_mesh() -> AsyncIterator[tuple[Refusing, Mesh]]:
    server, handler = grpc.aio.server(), Refusing()
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with Mesh(f"127.0.0.1:{port}") as mesh:
            yield handler, mesh
    finally:
        await server.stop(None)


async def watch(session: Handle) -> None:
    async for _ in session.events():
        pass


async def converse(session: Handle) -> None:
    async for _ in session.run("talk"):
        pass


CALLS: dict[str, Callable[[Handle], Awaitable[Any]]] = {
    "GetSession": lambda session: session.info(),
    "StartRun": lambda session: session.start("talk"),
    "WatchSession": watch,
    "Converse": converse,
    "ReadArtifact": lambda session: session.artifact("art_1"),
    "DeleteSession": lambda session: session.delete(),
}


@pytest.mark.parametrize("method", CALLS)
async def test_a_call_about_a_session_names_it(method: str) -> None:
    async with refusing_mesh() as (handler, mesh):
        # The SDK looks at a session before it converses in it.
        handler.known = method == "Converse"
        with pytest.raises(MeshError):
            await CALLS[method](mesh.session(NAME))
        assert handler.named[method] == NAME
        assert set(handler.named.values()) == {NAME}


async def test_a_call_about_none_names_none_and_a_strange_id_is_left_to_the_mesh() -> None:
    async with refusing_mesh() as (handler, mesh):
        with pytest.raises(MeshError):
            await mesh.create_session()
        with pytest.raises(MeshError):
            await mesh.session("söme\nid").info()
        assert handler.named == {"CreateSession": None, "GetSession": None}


def test_requests_name_their_session_alike() -> None:
    """The SDK reads the name from the request."""
    about = ("GetSession", "DeleteSession", "StartRun", "GetRun", "ListRuns", "CancelRun", "SteerRun", "ListApprovals")
    for method in (*about, "ResolveApproval", "WatchSession", "ReadArtifact"):
        assert "session_id" in getattr(pb, f"{method}Request").DESCRIPTOR.fields_by_name
