"""The fourth door: any gRPC client, here grpcurl, which knows nothing of the mesh but its address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse

from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1 import browser_service_pb2 as browser_pb
from meshwright.v1 import tool_service_pb2 as tools_pb
from meshwright.v1.run_pb2 import RunOutcome, RunState
from meshwright.v1.tool_pb2 import ToolOutcome
from tests.support.grpcurl import Grpcurl

if TYPE_CHECKING:
    from tests.support.mesh_process import MeshProcess

AGENT = "meshwright.v1.AgentService"
TOOLS = "meshwright.v1.ToolService"
BROWSER = "meshwright.v1.BrowserService"
SERVICES = (AGENT, TOOLS, BROWSER)


@pytest.fixture
def grpcurl(mesh: MeshProcess) -> Grpcurl:
    return Grpcurl(mesh.address)


def task(mesh: MeshProcess) -> dict[str, Any]:
    """The README's first task."""
    return {"task": f"Open {mesh.url}/demo/ and tell me what the desk lamp costs"}


async def test_the_services_are_listed(grpcurl: Grpcurl) -> None:
    listed = (await grpcurl.say("list")).split()
    assert {*SERVICES, "grpc.health.v1.Health"} <= set(listed)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        (AGENT, "rpc Converse ( stream .meshwright.v1.ConverseRequest )"),
        (TOOLS, "rpc Execute ( stream .meshwright.v1.ExecuteRequest )"),
        (BROWSER, "rpc Drive ( stream .meshwright.v1.DriveRequest )"),
        ("meshwright.v1.StartRunRequest", ".meshwright.v1.RunSpec spec = 3"),
    ],
)
async def test_the_contract_is_described(grpcurl: Grpcurl, name: str, part: str) -> None:
    assert part in await grpcurl.say("describe", name)


@pytest.mark.parametrize("service", ["", *SERVICES])
async def test_everything_is_healthy(grpcurl: Grpcurl, service: str) -> None:
    (answer,) = await grpcurl.call("grpc.health.v1.Health/Check", HealthCheckResponse, {"service": service})
    assert answer.status == HealthCheckResponse.SERVING


async def test_the_health_of_a_service_that_is_not_there_is_not_found(grpcurl: Grpcurl) -> None:
    done = await grpcurl.attempt("grpc.health.v1.Health/Check", {"service": "meshwright.v1.NoService"})
    assert (done.code != 0, "NotFound" in done.err) == (True, True), done


async def test_a_run_is_started_and_watched_to_its_end(grpcurl: Grpcurl, mesh: MeshProcess) -> None:
    body = {"session": {"title": "By hand"}}
    (created,) = await grpcurl.call(f"{AGENT}/CreateSession", pb.CreateSessionResponse, body)
    session_id = created.session.session_id
    start = {"session_id": session_id, "spec": task(mesh)}
    (started,) = await grpcurl.call(f"{AGENT}/StartRun", pb.StartRunResponse, start)
    run_id = started.run.run_id
    watch = {"session_id": session_id, "until_run_id": run_id}
    frames = await grpcurl.call(f"{AGENT}/WatchSession", pb.WatchSessionResponse, watch)
    assert frames[0].attached.session.title == "By hand"
    events = [event for frame in frames for event in frame.events]
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert (events[-1].run_id, "$49.00" in events[-1].run_finished.answer) == (run_id, True)
    (read,) = await grpcurl.call(f"{AGENT}/GetRun", pb.GetRunResponse, {"session_id": session_id, "run_id": run_id})
    assert (read.run.state, read.run.outcome) == (RunState.RUN_STATE_FINISHED, RunOutcome.RUN_OUTCOME_COMPLETED)


async def test_a_conversation_of_several_messages_starts_a_run_that_goes_on_without_it(
    grpcurl: Grpcurl, mesh: MeshProcess
) -> None:
    frames = await grpcurl.call(
        f"{AGENT}/Converse",
        pb.ConverseResponse,
        {"command_id": "c1", "start": {"session": {"title": "Talk"}}},
        {"command_id": "c2", "start_run": {"spec": task(mesh)}},
        {"command_id": "c3", "close": {}},
    )
    assert frames[0].attached.created
    (receipt,) = [frame.receipt for frame in frames if frame.receipt.command_id == "c2"]
    run = receipt.run
    watch = {"session_id": run.session_id, "until_run_id": run.run_id}
    watched = await grpcurl.call(f"{AGENT}/WatchSession", pb.WatchSessionResponse, watch)
    assert "$49.00" in watched[-1].events[-1].run_finished.answer


async def test_one_tool_is_called(grpcurl: Grpcurl) -> None:
    (listed,) = await grpcurl.call(f"{TOOLS}/ListTools", tools_pb.ListToolsResponse, {})
    assert {"browser.open", "file.read", "file.write"} <= {tool.name for tool in listed.tools}
    call = {"call_id": "c1", "tool": "file.write", "arguments": {"path": "a.txt", "content": "by hand"}}
    body = {"session_id": "ses_grpcurl", "call": call}
    (written,) = await grpcurl.call(f"{TOOLS}/Call", tools_pb.CallResponse, body)
    assert written.completion.outcome == ToolOutcome.TOOL_OUTCOME_SUCCEEDED
    body["call"] = {"call_id": "c2", "tool": "file.read", "arguments": {"path": "a.txt"}}
    frames = await grpcurl.call(f"{TOOLS}/Call", tools_pb.CallResponse, body)
    assert "by hand" in frames[-1].completion.result.text


async def test_one_browser_is_driven_with_messages_sent_at_once(grpcurl: Grpcurl, mesh: MeshProcess) -> None:
    frames = await grpcurl.call(
        f"{BROWSER}/Drive",
        browser_pb.DriveResponse,
        {"command_id": "c1", "start": {}},
        {"command_id": "c2", "run": {"navigate": {"url": f"{mesh.url}/demo/"}}},
        {"command_id": "c3", "run": {"snapshot": {}}},
        {"command_id": "c4", "close": {}},
    )
    assert frames[0].leased.lease_id
    results = {frame.result.command_id: frame.result for frame in frames if frame.HasField("result")}
    assert set(results) == {"c2", "c3"}
    assert "$49.00" in results["c3"].result.snapshot.text


async def test_an_error_is_shown_with_its_details(grpcurl: Grpcurl) -> None:
    done = await grpcurl.attempt(f"{AGENT}/StartRun", {"session_id": "ses_none", "spec": {"task": "x"}})
    assert (done.code != 0, "NotFound" in done.err) == (True, True), done
    assert '"reason": "SESSION_NOT_FOUND"' in done.err
