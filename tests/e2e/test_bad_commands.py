"""Wrong tool calls, wrong addresses and wrong messages in the middle of streams: typed answers, and the stream lives on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aiohttp
import grpc
import pytest

from meshwright.client import Mesh as Client
from meshwright.serving.errors import MeshError
from meshwright.v1 import agent_service_pb2 as agent
from meshwright.v1 import browser_pb2 as browser
from meshwright.v1 import browser_service_pb2 as browsers
from meshwright.v1 import tool_service_pb2 as tools
from meshwright.v1.agent_service_pb2_grpc import AgentServiceStub
from meshwright.v1.browser_service_pb2_grpc import BrowserServiceStub
from meshwright.v1.run_pb2 import RunSpec
from meshwright.v1.stream_pb2 import Close
from meshwright.v1.tool_pb2 import ToolCall, ToolOutcome
from tests.model_script import Call, Say, in_turn
from tests.model_server import ModelServer
from tests.support.raw_call import NativeDoor, RawDoor, WebDoor, assert_nothing_leaks, finish, grpc_code

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.mesh_process import MeshProcess

AGENT = "/meshwright.v1.AgentService"
BROWSER = "/meshwright.v1.BrowserService"
NOT_DECODABLE = b"\xff\xff\xff\xff"
BAD_URLS = [
    "file:///etc/passwd",
    "javascript:alert(1)",
    "data:text/html,hello",
    "chrome://settings",
    "not an address",
    "http://",
    "http://[::1",
    "http://localhost:99999/",
    "//localhost/",
]


@pytest.fixture
async def channel(mesh: MeshProcess) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(mesh.address) as opened:
        yield opened


@pytest.fixture(params=["native", "web"])
async def door(request: pytest.FixtureRequest, mesh: MeshProcess, channel: grpc.aio.Channel) -> AsyncIterator[RawDoor]:
    if request.param == "native":
        yield NativeDoor(channel)
    else:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as http:
            yield WebDoor(http, mesh.address)


@pytest.mark.parametrize(
    ("tool", "arguments", "reason", "fields"),
    [
        *(("browser.open", {"url": url}, "INVALID_URL", set()) for url in BAD_URLS),
        ("browser.open", {}, "TOOL_ARGUMENTS", {"arguments.url"}),
        ("browser.open", {"url": 7}, "TOOL_ARGUMENTS", {"arguments.url"}),
        ("browser.fly", {}, "TOOL_NOT_FOUND", set()),
        ("file.read", {"path": "../../../etc/passwd"}, "PATH_OUTSIDE_WORKSPACE", set()),
        ("file.read", {"path": "/etc/passwd"}, "PATH_OUTSIDE_WORKSPACE", set()),
        ("file.write", {"path": "a/../../b.txt", "content": "x"}, "PATH_OUTSIDE_WORKSPACE", set()),
        ("file.list", {"path": ".."}, "PATH_OUTSIDE_WORKSPACE", set()),
        ("file.read", {"path": "docs:none/x.txt"}, "FILE_NOT_FOUND", set()),
        ("file.read", {"path": "missing.txt"}, "FILE_NOT_FOUND", set()),
        ("file.read", {"path": "a\0b"}, "TOOL_ARGUMENTS", {"arguments.path"}),
        ("file.grep", {"pattern": "("}, "TOOL_ARGUMENTS", {"arguments.pattern"}),
    ],
)
async def test_a_wrong_tool_call_ends_with_a_typed_error(
    door: RawDoor, tool: str, arguments: dict[str, Any], reason: str, fields: set[str]
) -> None:
    call = ToolCall(call_id="c1", tool=tool)
    call.arguments.update(arguments)
    request = tools.CallRequest(session_id="ses_bad_commands", call=call)
    answer = await door.call("/meshwright.v1.ToolService/Call", request.SerializeToString())
    assert (grpc_code(answer.code), answer.message) == ("OK", "")
    end = tools.CallResponse.FromString(answer.messages[-1]).completion
    error = MeshError.from_status(end.error)
    assert (end.outcome, error.reason_name) == (ToolOutcome.TOOL_OUTCOME_FAILED, reason)
    assert {violation.field for violation in error.violations} == fields
    assert_nothing_leaks(error)


@pytest.mark.parametrize("url", BAD_URLS)
async def test_a_lease_does_not_open_a_wrong_address(door: RawDoor, channel: grpc.aio.Channel, url: str) -> None:
    acquired = await BrowserServiceStub(channel).AcquireLease(browsers.AcquireLeaseRequest(), timeout=20)
    lease_id = acquired.lease.lease_id
    command = browser.BrowserCommand(navigate=browser.Navigate(url=url))
    request = browsers.RunCommandRequest(lease_id=lease_id, command=command)
    try:
        answer = await door.call(f"{BROWSER}/RunCommand", request.SerializeToString())
    finally:
        await BrowserServiceStub(channel).ReleaseLease(browsers.ReleaseLeaseRequest(lease_id=lease_id), timeout=20)
    assert (grpc_code(answer.code), answer.error.reason_name) == ("INVALID_ARGUMENT", "INVALID_URL")
    assert_nothing_leaks(answer.error)


async def test_a_driven_browser_refuses_each_wrong_command_and_does_the_next(
    mesh: MeshProcess, channel: grpc.aio.Channel
) -> None:
    good = f"{mesh.url}/demo/"
    wrong = [browser.BrowserCommand(navigate=browser.Navigate(url=url)) for url in BAD_URLS]
    wrong.append(browser.BrowserCommand(click=browser.Click(element=browser.Element(ref="e999"))))
    wrong.append(browser.BrowserCommand(evaluate=browser.Evaluate(script="1 + 1")))
    wrong.append(browser.BrowserCommand(tab_id="t99", snapshot=browser.Snapshot()))
    right = browser.BrowserCommand(navigate=browser.Navigate(url=good))
    commands = [browsers.DriveRequest(command_id="start", start=browser.LeaseSpec())]
    commands += [browsers.DriveRequest(command_id=f"c{n}", run=run) for n, run in enumerate([*wrong, right])]
    commands.append(browsers.DriveRequest(command_id="close", close=Close()))
    frames = [frame async for frame in BrowserServiceStub(channel).Drive(iter(commands), timeout=30)]
    results = {frame.result.command_id: frame.result for frame in frames if frame.HasField("result")}
    errors = [MeshError.from_status(results[f"c{n}"].error) for n in range(len(wrong))]
    expected = ["INVALID_URL"] * len(BAD_URLS) + ["STALE_REF", "EVALUATE_DISABLED", "TAB_NOT_FOUND"]
    assert [error.reason_name for error in errors] == expected
    for error in errors:
        assert_nothing_leaks(error)
    assert results[f"c{len(wrong)}"].result.tab.url == good


@pytest.mark.parametrize(
    ("messages", "code", "reason"),
    [
        ([NOT_DECODABLE], "INVALID_ARGUMENT", "MALFORMED_MESSAGE"),
        ([agent.ConverseRequest(command_id="c1", close=Close())], "FAILED_PRECONDITION", "STREAM_PROTOCOL"),
        ([agent.ConverseRequest(command_id="c1")], "INVALID_ARGUMENT", "INVALID_FIELDS"),
        (
            [agent.ConverseRequest(command_id="c1", start=agent.ConverseStart(session_id="ses_none"))],
            "NOT_FOUND",
            "SESSION_NOT_FOUND",
        ),
    ],
    ids=["not decodable", "no start", "empty", "unknown session"],
)
@pytest.mark.parametrize("method", ["AgentService/Converse"])
async def test_a_conversation_that_begins_wrong_ends_with_the_reason(
    channel: grpc.aio.Channel, method: str, messages: list[Any], code: str, reason: str
) -> None:
    opened: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(f"/meshwright.v1.{method}")
    bodies = [message if isinstance(message, bytes) else message.SerializeToString() for message in messages]
    answer = await finish(opened(iter(bodies), timeout=20))
    assert (grpc_code(answer.code), answer.error.reason_name) == (code, reason)
    assert_nothing_leaks(answer.error)


@pytest.mark.parametrize("method", ["AgentService/Converse", "ToolService/Execute", "BrowserService/Drive"])
@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        (NOT_DECODABLE, "INVALID_ARGUMENT", "MALFORMED_MESSAGE"),
        (b"", "INVALID_ARGUMENT", "INVALID_FIELDS"),
        (b"\x0a" + b"\x80\x80\x80\x05" + b"x" * (5 * 2**21), "RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE"),
    ],
    ids=["not decodable", "empty", "10 MB"],
)
async def test_every_stream_refuses_what_is_no_message_of_it(
    channel: grpc.aio.Channel, method: str, body: bytes, code: str, reason: str
) -> None:
    opened: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(f"/meshwright.v1.{method}")
    answer = await finish(opened(iter([body]), timeout=20))
    assert (grpc_code(answer.code), answer.error.reason_name) == (code, reason)
    assert_nothing_leaks(answer.error)


async def test_a_wrong_command_of_a_conversation_is_refused_and_the_next_one_works(channel: grpc.aio.Channel) -> None:
    def start_run(command_id: str, task: str) -> agent.ConverseRequest:
        return agent.ConverseRequest(command_id=command_id, start_run=agent.StartRunCommand(spec=RunSpec(task=task)))

    stream = AgentServiceStub(channel).Converse(timeout=30)
    await stream.write(agent.ConverseRequest(command_id="s-bad", start=agent.ConverseStart()))
    cancel = agent.CancelRunCommand(run_id="run_none")
    await stream.write(agent.ConverseRequest(command_id="c-cancel", cancel_run=cancel))
    await stream.write(start_run("c-good", "list the files"))
    receipts: dict[str, agent.Receipt] = {}
    async for frame in stream:
        if frame.HasField("receipt"):
            receipts[frame.receipt.command_id] = frame.receipt
        if any(event.HasField("run_finished") for event in frame.events):
            await stream.write(agent.ConverseRequest(command_id="c-close", close=Close()))
    refused = MeshError.from_status(receipts["c-cancel"].error)
    assert refused.reason_name == "RUN_NOT_FOUND"
    assert_nothing_leaks(refused)
    assert receipts["c-good"].run.run_id


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (Call("browser.open", {"url": "file:///etc/passwd"}), "INVALID_URL"),
        (Call("file.read", {"path": "/etc/passwd"}), "PATH_OUTSIDE_WORKSPACE"),
        (Call("file.read", "{broken"), "TOOL_ARGUMENTS"),
    ],
    ids=["address", "path", "broken JSON"],
)
async def test_what_a_model_must_not_do_is_told_to_it_and_to_the_watcher(
    mesh: MeshProcess, model_port: int, call: Call, reason: str
) -> None:
    async with ModelServer(in_turn(call, Say("Never mind.")), model_port) as model, Client(mesh.address) as client:
        events = [event async for event in client.run("do it", model="openai:scripted")]
        told = model.requests[-1].tool_results[0]
    (ended,) = [event.proto.tool_call_finished for event in events if event.proto.HasField("tool_call_finished")]
    error = MeshError.from_status(ended.completion.error)
    assert error.reason_name == reason
    assert error.message in told
    assert "root:" not in json.dumps(told)
    assert_nothing_leaks(error)
