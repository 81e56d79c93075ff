"""From the contract's Event to the classes of `events`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from meshwright.client import events, wire
from meshwright.client.records import Approval, Artifact, Usage
from meshwright.v1 import event_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from meshwright.client.events import Event
    from meshwright.v1 import agent_service_pb2, run_pb2


def decode(proto: event_pb2.Event) -> Event:
    """The typed event; UnknownEvent for a kind that is not known here."""
    kind = proto.WhichOneof("kind")
    decoder = DECODERS.get(kind) if kind is not None else None
    if decoder is None:
        return events.UnknownEvent(**_envelope(proto))
    return decoder(getattr(proto, str(kind)), _envelope(proto))


def gap(session_id: str, frame: agent_service_pb2.Gap) -> events.Gap:
    """The event that stands for those that were trimmed."""
    sequence = frame.first_available_sequence - 1
    return events.Gap(
        session_id=session_id,
        run_id="",
        sequence=sequence,
        proto=event_pb2.Event(session_id=session_id, sequence=sequence),
        after_sequence=frame.after_sequence,
        snapshot=frame.snapshot,
    )


def finished_from_run(run: run_pb2.Run) -> events.RunFinished:
    """The terminal event of a run whose own was trimmed, from the run itself."""
    start = run.start_time if run.HasField("start_time") else run.create_time
    return events.RunFinished(
        session_id=run.session_id,
        run_id=run.run_id,
        sequence=run.finish_sequence,
        proto=event_pb2.Event(session_id=run.session_id, run_id=run.run_id, sequence=run.finish_sequence),
        outcome=wire.RUN_OUTCOMES[run.outcome],
        error=wire.optional_error(run, "error"),
        answer=run.answer,
        usage=Usage.read(run.usage),
        duration=wire.time_of(run.finish_time) - wire.time_of(start),
    )


def _envelope(proto: event_pb2.Event) -> dict[str, Any]:
    return {"session_id": proto.session_id, "run_id": proto.run_id, "sequence": proto.sequence, "proto": proto}


def _run_queued(kind: event_pb2.RunQueued, envelope: dict[str, Any]) -> Event:
    return events.RunQueued(
        **envelope,
        task=kind.spec.task,
        model=kind.spec.options.model,
        parent_run_id=kind.parent_run_id,
        parent_call_id=kind.parent_call_id,
    )


def _run_started(kind: event_pb2.RunStarted, envelope: dict[str, Any]) -> Event:
    return events.RunStarted(**envelope, attempt=kind.attempt, model=kind.model)


def _run_finished(kind: event_pb2.RunFinished, envelope: dict[str, Any]) -> Event:
    return events.RunFinished(
        **envelope,
        outcome=wire.RUN_OUTCOMES[kind.outcome],
        error=wire.optional_error(kind, "error"),
        answer=kind.answer,
        usage=Usage.read(kind.usage),
        duration=wire.duration_of(kind.duration),
    )


def _message(kind: event_pb2.Message, envelope: dict[str, Any]) -> Event:
    return events.Message(
        **envelope,
        message_id=kind.message_id,
        role=wire.ROLES[kind.role],
        text=kind.text,
        artifact_ids=tuple(kind.artifact_ids),
        step=kind.step,
        partial=kind.partial,
        reasoning=kind.reasoning,
        call_ids=tuple(kind.call_ids),
    )


def _text_delta(kind: event_pb2.TextDelta, envelope: dict[str, Any]) -> Event:
    return events.TextDelta(**envelope, message_id=kind.message_id, text=kind.text)


def _reasoning_delta(kind: event_pb2.ReasoningDelta, envelope: dict[str, Any]) -> Event:
    return events.ReasoningDelta(**envelope, message_id=kind.message_id, text=kind.text)


def _tool_call_started(kind: event_pb2.ToolCallStarted, envelope: dict[str, Any]) -> Event:
    return events.ToolCallStarted(
        **envelope,
        call_id=kind.call_id,
        tool=kind.tool,
        arguments=wire.struct_of(kind.arguments),
        step=kind.step,
        attempt=kind.attempt,
        read_only=kind.annotations.read_only,
        destructive=kind.annotations.destructive,
    )


def _tool_call_progress(kind: event_pb2.ToolCallProgress, envelope: dict[str, Any]) -> Event:
    progress = kind.progress
    return events.ToolCallProgress(
        **envelope,
        call_id=kind.call_id,
        message=progress.message,
        fraction=progress.fraction if progress.HasField("fraction") else None,
        output=progress.output,
    )


def _tool_call_finished(kind: event_pb2.ToolCallFinished, envelope: dict[str, Any]) -> Event:
    completion = kind.completion
    result = completion.result
    return events.ToolCallFinished(
        **envelope,
        call_id=kind.call_id,
        tool=kind.tool,
        outcome=wire.TOOL_OUTCOMES[completion.outcome],
        error=wire.optional_error(completion, "error"),
        text=result.text,
        structured=wire.optional_struct(result, "structured"),
        artifacts=tuple(map(Artifact.read, result.artifacts)),
        truncated=result.truncated,
        duration=wire.duration_of(completion.duration),
    )


def _approval_requested(kind: event_pb2.ApprovalRequested, envelope: dict[str, Any]) -> Event:
    return events.ApprovalRequested(**envelope, approval=Approval.read(kind.approval))


def _approval_resolved(kind: event_pb2.ApprovalResolved, envelope: dict[str, Any]) -> Event:
    return events.ApprovalResolved(
        **envelope,
        approval_id=kind.approval_id,
        state=wire.APPROVAL_STATES[kind.state],
        edited_arguments=wire.optional_struct(kind, "edited_arguments"),
        comment=kind.comment,
        principal=kind.principal,
    )


def _steering_receipt(kind: event_pb2.SteeringReceipt, envelope: dict[str, Any]) -> Event:
    return events.SteeringReceipt(
        **envelope,
        steering_id=kind.steering_id,
        mode=wire.STEERING_MODES[kind.mode],
        state=wire.STEERING_STATES[kind.state],
        text=kind.text,
        applied_sequence=kind.applied_sequence,
        error=wire.optional_error(kind, "reason"),
        enqueued_run_id=kind.enqueued_run_id,
    )


def _artifact_added(kind: event_pb2.ArtifactAdded, envelope: dict[str, Any]) -> Event:
    return events.ArtifactAdded(**envelope, artifact=Artifact.read(kind.artifact), call_id=kind.call_id)


def _browser_attached(kind: event_pb2.BrowserAttached, envelope: dict[str, Any]) -> Event:
    return events.BrowserAttached(
        **envelope,
        lease_id=kind.lease_id,
        viewport_width=kind.viewport_width,
        viewport_height=kind.viewport_height,
    )


def _browser_detached(kind: event_pb2.BrowserDetached, envelope: dict[str, Any]) -> Event:
    return events.BrowserDetached(**envelope, lease_id=kind.lease_id, error=wire.optional_error(kind, "reason"))


def _usage_recorded(kind: event_pb2.UsageRecorded, envelope: dict[str, Any]) -> Event:
    return events.UsageRecorded(
        **envelope,
        usage=Usage.read(kind.usage),
        model=kind.model,
        step=kind.step,
        time_to_first_token=wire.optional_duration(kind, "time_to_first_token"),
    )


def _notice(kind: event_pb2.Notice, envelope: dict[str, Any]) -> Event:
    return events.Notice(
        **envelope, level=wire.NOTICE_LEVELS[kind.level], text=kind.text, cause=wire.optional_error(kind, "cause")
    )


DECODERS: Mapping[str, Callable[[Any, dict[str, Any]], Event]] = {
    "run_queued": _run_queued,
    "run_started": _run_started,
    "run_finished": _run_finished,
    "message": _message,
    "text_delta": _text_delta,
    "reasoning_delta": _reasoning_delta,
    "tool_call_started": _tool_call_started,
    "tool_call_progress": _tool_call_progress,
    "tool_call_finished": _tool_call_finished,
    "approval_requested": _approval_requested,
    "approval_resolved": _approval_resolved,
    "steering_receipt": _steering_receipt,
    "artifact_added": _artifact_added,
    "browser_attached": _browser_attached,
    "browser_detached": _browser_detached,
    "usage_recorded": _usage_recorded,
    "notice": _notice,
}
"""The decoder of each arm of `Event.kind`."""
