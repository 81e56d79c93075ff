"""What is one principal's at ToolService is nobody else's, whatever session they name: files, artifacts, browsers."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio

from meshwright.serving.authentication.principals import home_of
from meshwright.serving.errors import MeshError
from meshwright.store.artifacts import ArtifactStore
from meshwright.tools.json_struct import to_struct
from meshwright.v1 import stream_pb2, tool_pb2, tool_service_pb2
from tests.support.principals import PATIENCE, As, answer, reason_of
from tests.support.token_issuer import authentication
from tests.support.tool_mesh import ToolMesh, tool_mesh
from tests.support.tool_stream import structured

pytestmark = pytest.mark.asyncio(loop_scope="module")

THE_SAME = "ses_1"
QUOTA = 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mesh")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(folder: Path) -> AsyncIterator[ToolMesh]:
    given = authentication(folder / "authentication")
    async with tool_mesh(folder, quota_leases=QUOTA, browser_capacity=4, **given) as running:
        yield running


@pytest.fixture
def alice(mesh: ToolMesh) -> Any:
    return As(mesh.tools.stub, "alice")


@pytest.fixture
def bob(mesh: ToolMesh) -> Any:
    return As(mesh.tools.stub, "bob")


def request(tool: str, **arguments: Any) -> tool_pb2.ToolCall:
    return tool_pb2.ToolCall(call_id="call_1", tool=tool, arguments=to_struct(arguments))


async def by_call(stub: Any, call: tool_pb2.ToolCall) -> tool_pb2.ToolCompletion:
    responses = await answer(stub.Call(tool_service_pb2.CallRequest(session_id=THE_SAME, call=call)))
    completion: tool_pb2.ToolCompletion = responses[-1].completion
    return completion


@asynccontextmanager
async def streaming(stub: Any) -> AsyncIterator[Callable[[tool_pb2.ToolCall], Awaitable[tool_pb2.ToolCompletion]]]:
    """Runs calls on one Execute stream."""
    stream = stub.Execute()
    count = itertools.count()

    async def send(**command: Any) -> None:
        await stream.write(tool_service_pb2.ExecuteRequest(command_id=f"c{next(count)}", **command))

    async def run(call: tool_pb2.ToolCall) -> tool_pb2.ToolCompletion:
        await send(call=call)
        async with asyncio.timeout(PATIENCE):
            while True:
                frame = await stream.read()
                if frame.HasField("call_finished"):
                    completion: tool_pb2.ToolCompletion = frame.call_finished.completion
                    return completion

    await send(start=tool_service_pb2.ExecuteStart(session_id=THE_SAME))
    try:
        yield run
        await send(close=stream_pb2.Close())
        async with asyncio.timeout(PATIENCE):
            while await stream.read() is not grpc.aio.EOF:
                pass
    finally:
        stream.cancel()


async def by_execute(stub: Any, call: tool_pb2.ToolCall) -> tool_pb2.ToolCompletion:
    async with streaming(stub) as run:
        return await run(call)


WAYS = pytest.mark.parametrize("run", [by_call, by_execute])


@WAYS
async def test_a_workspace_is_its_principals_own(mesh: ToolMesh, alice: Any, bob: Any, run: Any) -> None:
    await run(alice, request("file.write", path="note.txt", content="of Alice"))
    assert structured(await run(bob, request("file.list")))["entries"] == []
    refused = MeshError.from_status((await run(bob, request("file.read", path="note.txt"))).error)
    assert refused.reason_name == "FILE_NOT_FOUND"
    await run(bob, request("file.write", path="note.txt", content="of Bob"))
    assert "of Alice" in (await run(alice, request("file.read", path="note.txt"))).result.text
    found = await run(bob, request("search.files", query="Alice"))
    assert "of Alice" not in found.result.text
    await bob.DeleteWorkspace(tool_service_pb2.DeleteWorkspaceRequest(session_id=THE_SAME))
    assert "of Alice" in (await run(alice, request("file.read", path="note.txt"))).result.text
    await alice.DeleteWorkspace(tool_service_pb2.DeleteWorkspaceRequest(session_id=THE_SAME))
    assert structured(await run(alice, request("file.list")))["entries"] == []


async def test_the_folder_of_a_principal_cannot_be_named_as_a_session(mesh: ToolMesh, alice: Any, bob: Any) -> None:
    await by_call(alice, request("file.write", path="note.txt", content="of Alice"))
    for session_id in (home_of("alice", THE_SAME), home_of("alice", THE_SAME).partition("/")[0], "../" + THE_SAME):
        for call in (
            bob.Call(tool_service_pb2.CallRequest(session_id=session_id, call=request("file.list"))),
            bob.DeleteWorkspace(tool_service_pb2.DeleteWorkspaceRequest(session_id=session_id)),
        ):
            assert await reason_of(call) == "INVALID_FIELDS"


async def test_a_screenshot_is_kept_for_its_principal(mesh: ToolMesh, folder: Path, alice: Any) -> None:
    page = mesh.pages.add("/", "<h1>Hello</h1>")
    async with streaming(alice) as run:
        await run(request("browser.open", url=page))
        taken = await run(request("browser.screenshot"))
    artifact_id = structured(taken)["artifact_id"]
    store = ArtifactStore(f"file://{folder / 'data' / 'artifacts'}")
    assert await store.head(home_of("alice", THE_SAME), artifact_id) is not None
    for home in (home_of("bob", THE_SAME), THE_SAME):
        assert await store.head(home, artifact_id) is None


async def test_the_browser_of_a_session_is_leased_for_its_principal(mesh: ToolMesh, alice: Any, bob: Any) -> None:
    page = mesh.pages.add("/", "<h1>Hello</h1>")
    async with AsyncExitStack() as stack:
        for _ in range(QUOTA):
            run = await stack.enter_async_context(streaming(alice))
            assert not (await run(request("browser.open", url=page))).HasField("error")
        one_more = await stack.enter_async_context(streaming(alice))
        refused = MeshError.from_status((await one_more(request("browser.open", url=page))).error)
        assert (refused.reason_name, refused.metadata["quota"]) == ("QUOTA_EXCEEDED", "leases")
        his = await stack.enter_async_context(streaming(bob))
        assert not (await his(request("browser.open", url=page))).HasField("error")


NEEDS_TOKEN: dict[str, Callable[[Any], Any]] = {
    "ListTools": lambda stub: stub.ListTools(tool_service_pb2.ListToolsRequest()),
    "Execute": lambda stub: stub.Execute(iter([tool_service_pb2.ExecuteRequest()])),
    "Call": lambda stub: stub.Call(tool_service_pb2.CallRequest(session_id=THE_SAME, call=request("file.list"))),
    "DeleteWorkspace": lambda stub: stub.DeleteWorkspace(tool_service_pb2.DeleteWorkspaceRequest(session_id=THE_SAME)),
}


async def test_no_rpc_of_the_tools_is_for_callers_without_a_token(mesh: ToolMesh) -> None:
    assert set(NEEDS_TOKEN) == set(tool_service_pb2.DESCRIPTOR.services_by_name["ToolService"].methods_by_name)
    for call in NEEDS_TOKEN.values():
        assert await reason_of(call(mesh.tools.stub)) == "UNAUTHENTICATED"
