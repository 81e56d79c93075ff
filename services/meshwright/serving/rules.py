"""The bounds of the contract's requests: the declarative twin of the comments in protos/.

Message, then field (or oneof), then its bound. What is REQUIRED stands in the contract itself as
google.api.field_behavior; a field that is not set is not checked against its bound. Where the contract promises an error of
its own, such as INVALID_URL or TOOL_NOT_FOUND, the service checks that, not this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from meshwright.serving.rule_kinds import Entries, FieldRule, Items, Known, Number, Octets, OneOf, Span, Text

Rules: TypeAlias = Mapping[str, Mapping[str, FieldRule]]

KIB = 1024
MIB = 1024 * KIB
MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MAX_INT32 = 2**31 - 1
MAX_INT64 = 2**63 - 1
MAX_UINT64 = 2**64 - 1

CALLER_ID = Text(64, pattern="[A-Za-z0-9_-]+", what="1 to 64 characters of [A-Za-z0-9_-]")
SESSION_ID = Text(64, pattern="[a-z0-9_-]+", what="1 to 64 characters of [a-z0-9_-]")
TASK = Text(100_000, min_chars=1)
MODEL = Text(200)
LABEL_KEY = Text(63, pattern="[a-z0-9._-]+", what="1 to 63 characters of [a-z0-9._-]")
URL = Text(8192)
STORAGE_STATE = Octets(1 * MIB)
KEY = Text(64, min_chars=1)
COUNT = Number(0, MAX_INT64)
PAGE_SIZE = Number(0, MAX_INT32)
LEASE_TTL = Span(5, 10 * MINUTE)
QUALITY = Number(1, 100)
EPOCH = Number(1, MAX_UINT64)
RUN_STEERING: Mapping[str, FieldRule] = {"text": TASK, "mode": Known()}
PAGE: Mapping[str, FieldRule] = {"page_size": PAGE_SIZE}
MUTATION: Mapping[str, FieldRule] = {"request_id": CALLER_ID}

SESSION_RULES: Rules = {
    "Session": {"title": Text(200), "labels": Entries(32, key=LABEL_KEY, value=Text(255)), "model": MODEL},
    "RunSpec": {"task": TASK, "attachment_ids": Items(16)},
    "RunOptions": {
        "model": MODEL,
        "max_steps": Number(1, 200),
        "timeout": Span(1, DAY),
        "max_tokens": COUNT,
        "max_cost_micros": COUNT,
        "tools": Items(64),
        "on_disconnect": Known(),
    },
    "EventFilter": {"kinds": Items(32), "excluded_kinds": Items(32), "run_ids": Items(32)},
}

AGENT_RULES: Rules = {
    "ConverseRequest": {"command_id": CALLER_ID, "command": OneOf()},
    "StartRunCommand": {"when_busy": Known()},
    "SteerRunCommand": RUN_STEERING,
    "CreateSessionRequest": MUTATION,
    "ListSessionsRequest": PAGE,
    "DeleteSessionRequest": MUTATION,
    "StartRunRequest": {**MUTATION, "when_busy": Known()},
    "ListRunsRequest": PAGE,
    "SteerRunRequest": {**MUTATION, **RUN_STEERING},
    "CancelRunRequest": MUTATION,
    "ListApprovalsRequest": PAGE,
    "ResolveApprovalRequest": MUTATION,
    "ApprovalDecision": {"answer": OneOf(), "comment": Text(4096)},
}

TOOL_RULES: Rules = {
    "ListToolsRequest": PAGE,
    "ExecuteRequest": {"command_id": CALLER_ID, "command": OneOf()},
    "ExecuteStart": {"session_id": SESSION_ID, "browser_storage_state": STORAGE_STATE},
    "ToolCall": {"call_id": CALLER_ID, "timeout": Span(0.001, HOUR), "traceparent": Text(128)},
    "CallRequest": {"session_id": SESSION_ID},
    "DeleteWorkspaceRequest": {"session_id": SESSION_ID},
}

LEASE_RULES: Rules = {
    "DriveRequest": {"command_id": CALLER_ID, "command": OneOf()},
    "LeaseSpec": {
        "profile": Text(63),
        "storage_state": STORAGE_STATE,
        "egress_policy": Text(63),
        "wait": Span(0, 1 * MINUTE),
        "session_id": SESSION_ID,
    },
    "Viewport": {"width": Number(200, 3840), "height": Number(200, 2160)},
    "LeaseLimits": {"idle_timeout": Span(1, HOUR), "max_duration": Span(1, DAY), "max_tabs": Number(1, 32)},
    "AcquireLeaseRequest": {**MUTATION, "ttl": LEASE_TTL},
    "RenewLeaseRequest": {"ttl": LEASE_TTL},
    "WatchLeaseRequest": {"max_fps": Number(1, 30), "quality": QUALITY, "max_width": Number(0, MAX_INT32)},
    "TakeControlRequest": MUTATION,
    "CedeControlRequest": {"control_epoch": EPOCH},
    "SendInputRequest": {"control_epoch": EPOCH, "inputs": Items(64)},
    "InputEvent": {"kind": OneOf(), "text": Text(4096), "url": URL},
    "MouseInput": {"action": Known(), "button": Known()},
    "KeyInput": {"key": KEY},
}

BROWSER_COMMAND_RULES: Rules = {
    "BrowserCommand": {"timeout": Span(0.001, 10 * MINUTE), "traceparent": Text(128), "action": OneOf()},
    "Element": {"ref": Text(32, pattern="[a-z0-9]+", what="1 to 32 characters of [a-z0-9]")},
    "Navigate": {"url": URL, "wait_until": Known()},
    "Snapshot": {"max_bytes": Number(256, 256 * KIB)},
    "Click": {
        "button": Known(),
        "count": Number(1, 3),
        "modifiers": Items(4, each=Text(7, pattern="Alt|Control|Meta|Shift", what="Alt, Control, Meta or Shift")),
    },
    "Type": {"text": Text(65_536)},
    "Press": {"key": KEY},
    "Select": {"values": Items(64)},
    "Scroll": {"delta_x": Number(-100_000, 100_000), "delta_y": Number(-100_000, 100_000)},
    "Wait": {
        "condition": OneOf(),
        "text": Text(1024, min_chars=1),
        "text_gone": Text(1024, min_chars=1),
        "url_glob": Text(2048, min_chars=1),
        "load_state": Known(),
        "duration": Span(0, 1 * MINUTE),
    },
    "History": {"move": Known()},
    "OpenTab": {"url": URL, "wait_until": Known()},
    "Screenshot": {"format": Known(), "quality": QUALITY},
    "Evaluate": {"script": Text(65_536, min_chars=1)},
    "AnswerDialog": {"text": Text(4096)},
}

RULES: Rules = {
    f"meshwright.v1.{message}": fields
    for table in (SESSION_RULES, AGENT_RULES, TOOL_RULES, LEASE_RULES, BROWSER_COMMAND_RULES)
    for message, fields in table.items()
}
