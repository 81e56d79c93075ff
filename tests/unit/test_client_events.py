"""The typed events against the contract: a kind or a field that is forgotten fails here."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pytest
from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.struct_pb2 import Struct
from google.rpc import code_pb2, error_details_pb2, status_pb2

import meshwright.client
from meshwright.client import (
    Event,
    Gap,
    NotFound,
    RunCancelled,
    RunExpired,
    RunFailed,
    RunFinished,
    RunOutcome,
    SubAgentEvent,
    ToolCallFinished,
    ToolCallStarted,
    ToolOutcome,
    UnknownEvent,
    UsageRecorded,
    enums,
    events,
)
from meshwright.client.decoding import DECODERS, decode
from meshwright.client.watch import event_filter
from meshwright.v1 import event_pb2, run_pb2, tool_pb2
from meshwright.v1.event_pb2 import Event as ProtoEvent
from meshwright.v1.event_pb2 import EventKind

ARMS = {
    field.name: {inner.name for inner in field.message_type.fields}
    for field in ProtoEvent.DESCRIPTOR.oneofs_by_name["kind"].fields
    if field.message_type is not None
}
ENVELOPE = {field.name for field in dataclasses.fields(Event)}

RENAMED = {
    # A message that only wraps another one is opened; a Status is an exception called `error`.
    "run_queued": {"spec": {"task", "model"}},
    "tool_call_started": {"annotations": {"read_only", "destructive"}},
    "tool_call_progress": {"progress": {"message", "fraction", "output"}},
    "tool_call_finished": {
        "completion": {"outcome", "error", "text", "structured", "artifacts", "truncated", "duration"}
    },
    "steering_receipt": {"reason": {"error"}},
    "browser_detached": {"reason": {"error"}},
}


def class_of(arm: str) -> type[Event]:
    found = getattr(events, "".join(part.capitalize() for part in arm.split("_")))
    assert isinstance(found, type)
    assert issubclass(found, Event)
    return found


@pytest.mark.parametrize("arm", ARMS)
def test_every_kind_of_the_contract_has_its_class(arm: str) -> None:
    proto = ProtoEvent(session_id="ses_1", run_id="run_1", sequence=7)
    getattr(proto, arm).SetInParent()
    event = decode(proto)
    assert type(event) is class_of(arm)
    assert (event.session_id, event.run_id, event.sequence) == ("ses_1", "run_1", 7)
    assert class_of(arm).__name__ in meshwright.client.__all__


@pytest.mark.parametrize("arm", ARMS)
def test_every_field_of_the_contract_has_its_place(arm: str) -> None:
    expected: set[str] = set()
    for name in ARMS[arm]:
        expected |= RENAMED.get(arm, {}).get(name, {name})
    assert {field.name for field in dataclasses.fields(class_of(arm))} - ENVELOPE == expected


@pytest.mark.parametrize("arm", ARMS)
def test_every_kind_can_be_chosen_by_its_class(arm: str) -> None:
    (number,) = event_filter(kinds=[class_of(arm)]).kinds
    assert number == EventKind.Value(f"EVENT_KIND_{arm.upper()}")


@pytest.mark.parametrize("cls", [Event, Gap, SubAgentEvent, UnknownEvent])
def test_what_is_no_kind_cannot_be_chosen(cls: type[Event]) -> None:
    with pytest.raises(ValueError, match="is not a kind of event"):
        event_filter(exclude=[cls])


def test_there_are_no_decoders_without_a_kind() -> None:
    assert set(DECODERS) == set(ARMS)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (enums.RunState, run_pb2.RunState.DESCRIPTOR),
        (enums.RunOutcome, run_pb2.RunOutcome.DESCRIPTOR),
        (enums.Track, run_pb2.Track.DESCRIPTOR),
        (enums.SteeringMode, run_pb2.SteeringMode.DESCRIPTOR),
        (enums.SteeringState, event_pb2.SteeringState.DESCRIPTOR),
        (enums.Role, event_pb2.Role.DESCRIPTOR),
        (enums.ToolOutcome, tool_pb2.ToolOutcome.DESCRIPTOR),
        (enums.ApprovalState, event_pb2.ApprovalState.DESCRIPTOR),
        (enums.NoticeLevel, event_pb2.NoticeLevel.DESCRIPTOR),
    ],
)
def test_every_value_of_an_enum_has_its_member(ours: type[StrEnum], theirs: EnumDescriptor) -> None:
    names = [value.name for value in theirs.values if value.number]
    members = {member.name for member in ours}
    assert all(any(name.endswith(f"_{member}") for member in members) for name in names)
    assert len(members) == len(names) + 1


def test_values_that_are_not_known_yet_do_not_break_the_stream() -> None:
    event = decode(ProtoEvent(run_finished=event_pb2.RunFinished(outcome=99)))  # type: ignore[arg-type]  # of a newer mesh
    assert isinstance(event, RunFinished)
    assert event.outcome is RunOutcome.UNKNOWN
    with pytest.raises(RunFailed):
        event.raise_for_outcome()


def test_times_durations_and_numbers_are_pythons_own() -> None:
    proto = ProtoEvent(usage_recorded=event_pb2.UsageRecorded(step=1))
    proto.time.FromJsonString("2026-11-22T15:44:09.948924742Z")
    proto.usage_recorded.time_to_first_token.FromMilliseconds(1500)
    proto.usage_recorded.usage.cost_micros = 1234
    proto.usage_recorded.usage.currency_code = "USD"
    event = decode(proto)
    assert isinstance(event, UsageRecorded)
    assert event.time == datetime(2026, 11, 22, 15, 44, 9, 948924, tzinfo=UTC)
    assert event.time_to_first_token == timedelta(seconds=1.5)
    assert str(event.usage.cost) == "0.001234"
    unknown = decode(ProtoEvent(usage_recorded=event_pb2.UsageRecorded()))
    assert isinstance(unknown, UsageRecorded)
    assert unknown.usage.cost is None
    assert unknown.time_to_first_token is None


def test_arguments_are_what_json_meant() -> None:
    arguments = Struct()
    arguments.update({"width": 3, "ratio": 0.5, "nested": {"list": [1, 2.5, "x", None, True]}})
    event = decode(ProtoEvent(tool_call_started=event_pb2.ToolCallStarted(arguments=arguments)))
    assert isinstance(event, ToolCallStarted)
    assert event.arguments == {"width": 3, "ratio": 0.5, "nested": {"list": [1, 2.5, "x", None, True]}}
    assert isinstance(event.arguments["width"], int)


def status(code: int, reason: str) -> status_pb2.Status:
    made = status_pb2.Status(code=code, message="It is not there.")
    made.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="meshwright", metadata={"path": "a"}))
    return made


def test_the_error_of_a_tool_call_is_an_exception_that_can_be_looked_at() -> None:
    completion = tool_pb2.ToolCompletion(
        outcome=tool_pb2.TOOL_OUTCOME_FAILED, error=status(code_pb2.NOT_FOUND, "FILE_NOT_FOUND")
    )
    event = decode(ProtoEvent(tool_call_finished=event_pb2.ToolCallFinished(completion=completion)))
    assert isinstance(event, ToolCallFinished)
    assert event.outcome is ToolOutcome.FAILED
    assert isinstance(event.error, NotFound)
    assert (event.error.reason, event.error.metadata) == ("FILE_NOT_FOUND", {"path": "a"})


@pytest.mark.parametrize(
    ("outcome", "raised"),
    [
        (run_pb2.RUN_OUTCOME_FAILED, RunFailed),
        (run_pb2.RUN_OUTCOME_CANCELLED, RunCancelled),
        (run_pb2.RUN_OUTCOME_EXPIRED, RunExpired),
    ],
)
def test_each_bad_end_of_a_run_has_its_exception(
    outcome: run_pb2.RunOutcome.ValueType, raised: type[Exception]
) -> None:
    end = event_pb2.RunFinished(outcome=outcome, error=status(code_pb2.NOT_FOUND, "X"))
    event = decode(ProtoEvent(session_id="ses_1", run_id="run_1", run_finished=end))
    assert isinstance(event, RunFinished)
    with pytest.raises(raised) as error:
        event.raise_for_outcome()
    assert isinstance(error.value, RunFailed | RunCancelled | RunExpired)
    assert (error.value.reason, error.value.session_id, error.value.run_id) == ("X", "ses_1", "run_1")


def test_matching_on_an_event_reads_well() -> None:
    event = decode(ProtoEvent(text_delta=event_pb2.TextDelta(text="hello")))
    match event:
        case events.TextDelta(text=text):
            assert text == "hello"
        case _:
            raise AssertionError(event)
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.sequence = 3  # type: ignore[misc]  # what is tested
