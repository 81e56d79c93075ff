"""The table of rules and the contract's comments say the same."""

from __future__ import annotations

import re
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.api import field_behavior_pb2
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.json_format import ParseDict
from grpc_tools import protoc  # type: ignore[import-untyped]

from meshwright.serving.rules import RULES
from meshwright.serving.validation import Validator
from meshwright.v1 import agent_service_pb2, browser_service_pb2, tool_service_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

PROTOS = Path(__file__).parents[2] / "protos"
SERVICES = (agent_service_pb2, browser_service_pb2, tool_service_pb2)
# "1 to 64 characters", "At most 16", "up to 60 seconds", "of `[a-z0-9]`", "Required.", "Not negative", "out of `Alt`": a bound.
BOUND = re.compile(
    r"\d to -?\d|[Aa]t most \d|up to \d|\b1 (second|millisecond) to|of `\[|^ Required\.|Not negative|out of `"
)


def request_messages() -> set[str]:
    """Full names of the messages that a request can contain, itself included."""
    found: set[str] = set()

    def visit(descriptor: Any) -> None:
        if descriptor.full_name in found or not descriptor.full_name.startswith("meshwright."):
            return
        found.add(descriptor.full_name)
        for field in descriptor.fields:
            output = field_behavior_pb2.OUTPUT_ONLY in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
            if field.message_type is not None and not output:
                visit(field.message_type)

    for module in SERVICES:
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                visit(method.input_type)
    return found


def commented_fields() -> Iterator[tuple[str, str, str]]:
    """Message, field or oneof, comment, for everything in the contract that has a comment."""
    names = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    includes = (PROTOS, files("google") / "..", files("grpc_tools") / "_proto")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "contract.bin"
        arguments = ["protoc", *(f"-I{i}" for i in includes), "--include_source_info", f"--descriptor_set_out={out}"]
        assert protoc.main([*arguments, *names]) == 0
        contract = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    for file in contract.file:
        for location in file.source_code_info.location:
            # 4: messages of a file; 2 and 8: fields and oneofs of a message.
            match list(location.path):
                case [4, message, 2, field]:
                    described = file.message_type[message].field[field].name
                case [4, message, 8, oneof]:
                    described = file.message_type[message].oneof_decl[oneof].name
                case _:
                    continue
            yield f"{file.package}.{file.message_type[message].name}", described, location.leading_comments


def test_every_bound_that_a_request_states_is_in_the_table() -> None:
    requests = request_messages()
    pool = descriptor_pool.Default()
    missing = []
    stated = 0
    for message, name, comment in commented_fields():
        field = pool.FindMessageTypeByName(message).fields_by_name.get(name)
        if message not in requests or not BOUND.search(comment):
            continue
        if field is not None and (is_output_only(field) or field.cpp_type == field.CPPTYPE_BOOL):
            continue
        stated += 1
        if name not in RULES.get(message, {}):
            missing.append(f"{message}.{name}: {comment.strip()}")
    assert missing == []
    assert stated > 60


def is_output_only(field: Any) -> bool:
    behaviors = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    return field_behavior_pb2.OUTPUT_ONLY in behaviors


@pytest.mark.parametrize("message", RULES)
def test_the_table_names_only_what_requests_have(message: str) -> None:
    assert message in request_messages()
    descriptor = descriptor_pool.Default().FindMessageTypeByName(message)
    names = {*descriptor.fields_by_name, *descriptor.oneofs_by_name}
    assert set(RULES[message]) <= names


def test_every_request_compiles() -> None:
    validator = Validator()
    for message in request_messages():
        validator.checks(descriptor_pool.Default().FindMessageTypeByName(message))


BAD_REQUESTS: list[tuple[type[Message], dict[str, Any], list[str]]] = [
    (agent_service_pb2.StartRunRequest, {}, ["session_id", "spec"]),
    (
        agent_service_pb2.StartRunRequest,
        {"request_id": "a b", "session_id": "ses_1", "spec": {"options": {"max_steps": 201}}},
        ["request_id", "spec.task", "spec.options.max_steps"],
    ),
    (agent_service_pb2.ConverseRequest, {"command_id": "c1"}, ["command"]),
    (agent_service_pb2.ConverseRequest, {"command_id": "c1", "start_run": {}}, ["start_run.spec"]),
    (
        agent_service_pb2.ConverseRequest,
        {"start_run": {"spec": {"task": "x" * 100_001}}},
        ["command_id", "start_run.spec.task"],
    ),
    (agent_service_pb2.ListSessionsRequest, {"page_size": -1}, ["page_size"]),
    (
        agent_service_pb2.CreateSessionRequest,
        {"session": {"labels": {"Team": "x" * 256}}},
        ["session.labels[Team]", "session.labels[Team]"],
    ),
    (
        agent_service_pb2.ResolveApprovalRequest,
        {"session_id": "s", "approval_id": "a", "decision": {}},
        ["decision.answer"],
    ),
    (
        tool_service_pb2.CallRequest,
        {"session_id": "../etc", "call": {}},
        ["session_id", "call.call_id", "call.tool"],
    ),
    (browser_service_pb2.DriveRequest, {"command_id": "c", "run": {}}, ["run.action"]),
    (
        browser_service_pb2.DriveRequest,
        {"command_id": "c", "run": {"click": {"element": {}, "modifiers": ["Alt", "Hyper"]}}},
        ["run.click.element.ref", "run.click.modifiers[1]"],
    ),
    (browser_service_pb2.DriveRequest, {"command_id": "c", "run": {"wait": {"text": ""}}}, ["run.wait.text"]),
    (browser_service_pb2.SendInputRequest, {"lease_id": "l"}, ["control_epoch", "inputs"]),
    (
        browser_service_pb2.SendInputRequest,
        {"lease_id": "l", "control_epoch": 1, "inputs": [{}]},
        ["inputs[0].kind"],
    ),
]


@pytest.mark.parametrize(("message", "body", "fields"), BAD_REQUESTS)
def test_bad_requests_are_told_every_field(message: type[Message], body: dict[str, Any], fields: list[str]) -> None:
    found = Validator().violations(ParseDict(body, message()))
    assert [violation.field for violation in found] == fields


GOOD_REQUESTS: list[tuple[type[Message], dict[str, Any]]] = [
    (agent_service_pb2.StartRunRequest, {"session_id": "ses_1", "spec": {"task": "x"}}),
    (agent_service_pb2.ListSessionsRequest, {}),
    (agent_service_pb2.ConverseRequest, {"command_id": "c1", "start": {}}),
    (tool_service_pb2.ExecuteRequest, {"command_id": "c1", "call": {"call_id": "call_1", "tool": "file.read"}}),
    (browser_service_pb2.DriveRequest, {"command_id": "c", "start": {}}),
    (browser_service_pb2.DriveRequest, {"command_id": "c", "run": {"navigate": {"url": "file:///etc/passwd"}}}),
    (browser_service_pb2.GetPoolRequest, {}),
]


@pytest.mark.parametrize(("message", "body"), GOOD_REQUESTS)
def test_good_requests_pass(message: type[Message], body: dict[str, Any]) -> None:
    assert Validator().violations(ParseDict(body, message())) == []
