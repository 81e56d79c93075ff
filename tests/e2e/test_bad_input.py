"""Wrong requests through both doors of a whole mesh: the right status, one reason, the fields, and nothing of our insides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import grpc
import pytest

from meshwright.client import Mesh as Client
from meshwright.v1 import agent_service_pb2 as agent
from meshwright.v1 import browser_pb2 as browser
from meshwright.v1 import browser_service_pb2 as browsers
from meshwright.v1 import tool_service_pb2 as tools
from meshwright.v1.run_pb2 import RunOptions, RunSpec
from meshwright.v1.session_pb2 import Session
from meshwright.v1.tool_pb2 import ToolCall
from tests.support import grpc_web
from tests.support.raw_call import NativeDoor, RawDoor, WebDoor, assert_nothing_leaks, grpc_code

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from google.protobuf.message import Message

    from tests.support.mesh_process import MeshProcess

AGENT = "/meshwright.v1.AgentService"
TOOLS = "/meshwright.v1.ToolService"
BROWSER = "/meshwright.v1.BrowserService"
KNOWN = "SESSION"
"""Stands for a session that is there."""
NOT_DECODABLE = b"\xff\xff\xff\xff"
TEN_MB = agent.StartRunRequest(session_id="ses_1", spec=RunSpec(task="x" * 10_000_000))


@pytest.fixture
async def channel(mesh: MeshProcess) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(mesh.address) as opened:
        yield opened


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        yield session


@pytest.fixture(params=["native", "web"])
def door(
    request: pytest.FixtureRequest, mesh: MeshProcess, channel: grpc.aio.Channel, http: aiohttp.ClientSession
) -> RawDoor:
    return NativeDoor(channel) if request.param == "native" else WebDoor(http, mesh.address)


@pytest.fixture
async def session_id(mesh: MeshProcess) -> str:
    async with Client(mesh.address) as client:
        return (await client.create_session()).session_id


def start(session_id: str = KNOWN, task: str = "hello", **options: Any) -> agent.StartRunRequest:
    return agent.StartRunRequest(
        session_id=session_id, spec=RunSpec(task=task, options=RunOptions(**options) if options else None)
    )


def run_command(**action: Any) -> browsers.RunCommandRequest:
    return browsers.RunCommandRequest(lease_id="lea_none", command=browser.BrowserCommand(**action))


WRONG_REQUESTS: list[tuple[str, Message | bytes, str, str, set[str]]] = [
    (f"{AGENT}/StartRun", start("ses_none"), "NOT_FOUND", "SESSION_NOT_FOUND", set()),
    (f"{AGENT}/StartRun", start("../../etc"), "NOT_FOUND", "SESSION_NOT_FOUND", set()),
    (f"{AGENT}/StartRun", start(task=""), "INVALID_ARGUMENT", "INVALID_FIELDS", {"spec.task"}),
    (f"{AGENT}/StartRun", start(task="x" * 100_001), "INVALID_ARGUMENT", "INVALID_FIELDS", {"spec.task"}),
    (f"{AGENT}/StartRun", agent.StartRunRequest(), "INVALID_ARGUMENT", "INVALID_FIELDS", {"session_id", "spec"}),
    (
        f"{AGENT}/StartRun",
        start(task="", max_steps=-1, model="m" * 201),
        "INVALID_ARGUMENT",
        "INVALID_FIELDS",
        {"spec.task", "spec.options.max_steps", "spec.options.model"},
    ),
    (f"{AGENT}/StartRun", start(model="nobody:nothing"), "FAILED_PRECONDITION", "MODEL_NOT_FOUND", set()),
    (f"{AGENT}/StartRun", TEN_MB, "RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE", set()),
    (f"{AGENT}/StartRun", NOT_DECODABLE, "INVALID_ARGUMENT", "MALFORMED_MESSAGE", set()),
    (f"{AGENT}/WatchSession", NOT_DECODABLE, "INVALID_ARGUMENT", "MALFORMED_MESSAGE", set()),
    (f"{TOOLS}/Call", NOT_DECODABLE, "INVALID_ARGUMENT", "MALFORMED_MESSAGE", set()),
    (f"{BROWSER}/RunCommand", NOT_DECODABLE, "INVALID_ARGUMENT", "MALFORMED_MESSAGE", set()),
    (
        f"{AGENT}/CreateSession",
        agent.CreateSessionRequest(request_id="a b", session=Session(title="x" * 201)),
        "INVALID_ARGUMENT",
        "INVALID_FIELDS",
        {"request_id", "session.title"},
    ),
    (f"{AGENT}/GetSession", agent.GetSessionRequest(), "INVALID_ARGUMENT", "INVALID_FIELDS", {"session_id"}),
    (
        f"{AGENT}/ListSessions",
        agent.ListSessionsRequest(page_token="nonsense"),
        "INVALID_ARGUMENT",
        "INVALID_PAGE_TOKEN",
        set(),
    ),
    (
        f"{AGENT}/WatchSession",
        agent.WatchSessionRequest(session_id="ses_none"),
        "NOT_FOUND",
        "SESSION_NOT_FOUND",
        set(),
    ),
    (
        f"{AGENT}/WatchSession",
        agent.WatchSessionRequest(session_id=KNOWN, after_sequence=99),
        "OUT_OF_RANGE",
        "CURSOR_AHEAD",
        set(),
    ),
    (
        f"{AGENT}/WatchSession",
        agent.WatchSessionRequest(session_id=KNOWN, until_run_id="run_none"),
        "NOT_FOUND",
        "RUN_NOT_FOUND",
        set(),
    ),
    (
        f"{AGENT}/CancelRun",
        agent.CancelRunRequest(session_id=KNOWN, run_id="run_none"),
        "NOT_FOUND",
        "RUN_NOT_FOUND",
        set(),
    ),
    (
        f"{AGENT}/ReadArtifact",
        agent.ReadArtifactRequest(session_id=KNOWN, artifact_id="../../store"),
        "NOT_FOUND",
        "ARTIFACT_NOT_FOUND",
        set(),
    ),
    (
        f"{BROWSER}/TakeControl",
        browsers.TakeControlRequest(lease_id="lea_none"),
        "UNIMPLEMENTED",
        "NOT_IMPLEMENTED",
        set(),
    ),
    (f"{AGENT}/Fly", b"", "UNIMPLEMENTED", "NOT_IMPLEMENTED", set()),
    ("/meshwright.v1.NoService/Fly", b"", "UNIMPLEMENTED", "NOT_IMPLEMENTED", set()),
    (f"{TOOLS}/Call", tools.CallRequest(), "INVALID_ARGUMENT", "INVALID_FIELDS", {"session_id", "call"}),
    (
        f"{TOOLS}/Call",
        tools.CallRequest(session_id="../x", call=ToolCall(call_id="c 1")),
        "INVALID_ARGUMENT",
        "INVALID_FIELDS",
        {"session_id", "call.call_id", "call.tool"},
    ),
    (
        f"{TOOLS}/DeleteWorkspace",
        tools.DeleteWorkspaceRequest(session_id=".."),
        "INVALID_ARGUMENT",
        "INVALID_FIELDS",
        {"session_id"},
    ),
    (f"{BROWSER}/RunCommand", run_command(), "INVALID_ARGUMENT", "INVALID_FIELDS", {"command.action"}),
    (
        f"{BROWSER}/RunCommand",
        run_command(navigate=browser.Navigate(url="http://localhost/")),
        "NOT_FOUND",
        "LEASE_NOT_FOUND",
        set(),
    ),
    (
        f"{BROWSER}/AcquireLease",
        browsers.AcquireLeaseRequest(spec=browser.LeaseSpec(viewport=browser.Viewport(width=1, height=1))),
        "INVALID_ARGUMENT",
        "INVALID_FIELDS",
        {"spec.viewport.width", "spec.viewport.height"},
    ),
]


@pytest.mark.parametrize(("method", "request_", "code", "reason", "fields"), WRONG_REQUESTS)
async def test_a_wrong_request_is_refused_with_its_reason(
    door: RawDoor, session_id: str, method: str, request_: Message | bytes, code: str, reason: str, fields: set[str]
) -> None:
    body = request_ if isinstance(request_, bytes) else request_.SerializeToString()
    if not isinstance(request_, bytes) and getattr(request_, "session_id", "") == KNOWN:
        body = _with_session(request_, session_id)
    answer = await door.call(method, body)
    assert (grpc_code(answer.code), answer.messages) == (code, [])
    assert answer.error.reason_name == reason
    assert {violation.field for violation in answer.error.violations} == fields
    assert_nothing_leaks(answer.error)


async def test_a_request_id_is_not_used_twice_for_different_things(door: RawDoor, session_id: str) -> None:
    def request(task: str) -> bytes:
        started = start(session_id, task)
        started.request_id = f"once-{session_id}"
        return started.SerializeToString()

    first, again = [await door.call(f"{AGENT}/StartRun", request("list the files")) for _ in range(2)]
    runs = [agent.StartRunResponse.FromString(answer.messages[0]).run.run_id for answer in (first, again)]
    assert runs[0] == runs[1] != ""
    other = await door.call(f"{AGENT}/StartRun", request("list them again"))
    assert (grpc_code(other.code), other.error.reason_name) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")
    assert other.error.metadata["request_id"] == f"once-{session_id}"


@pytest.mark.parametrize("method", [f"{AGENT}/CreateSession", f"{TOOLS}/ListTools", f"{BROWSER}/GetPool"])
@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:1", "null"])
async def test_a_page_from_elsewhere_may_not_call(
    mesh: MeshProcess, http: aiohttp.ClientSession, method: str, origin: str
) -> None:
    _, status = await grpc_web.call(http, mesh.address, method, headers={"origin": origin})
    assert grpc_code(status.code) == "PERMISSION_DENIED"
    assert status.details is not None
    assert "ORIGIN_NOT_ALLOWED" in str(status.details.details[0])
    _, own = await grpc_web.call(http, mesh.address, method, headers={"origin": mesh.url})
    assert own.code == 0


async def test_a_host_name_that_is_not_ours_may_not_be_used(mesh: MeshProcess, http: aiohttp.ClientSession) -> None:
    headers = {"origin": "http://rebound.example", "host": "rebound.example"}
    _, status = await grpc_web.call(http, mesh.address, f"{AGENT}/CreateSession", headers=headers)
    assert grpc_code(status.code) == "PERMISSION_DENIED"


def _with_session(request: Message, session_id: str) -> bytes:
    copy = type(request)()
    copy.CopyFrom(request)
    copy.session_id = session_id  # type: ignore[attr-defined]  # every one that gets here has it
    return copy.SerializeToString()
