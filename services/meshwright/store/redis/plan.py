"""What a transaction on a session is to do. It is put together here and carried out by `transact.lua`."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from meshwright.store.interface import Draft
from meshwright.store.redis import keys
from meshwright.v1.event_pb2 import ApprovalState, Event, EventKind
from meshwright.v1.run_pb2 import Run, RunState, Usage

KEPT_SECONDS = 24 * 3600
FINISHED = RunState.RUN_STATE_FINISHED
COUNTED = ("input_tokens", "output_tokens", "cached_input_tokens", "reasoning_tokens", "model_calls", "tool_calls")
PENDING = ApprovalState.APPROVAL_STATE_PENDING


def now() -> int:
    """The time in microseconds since 1970."""
    return time.time_ns() // 1000


class Plan(msgspec.Struct, omit_defaults=True):
    """Changes of one session that happen together or not at all. Fields are those of the session's hash."""

    absent: str | None = None
    """Code of the refusal where there is no such session; None where it may be made."""
    guards: list[tuple[str, str | bytes, str]] = []
    """Field, what it must hold (empty: it may be missing), code of the refusal."""
    values: dict[str, str | bytes] = {}
    """Fields to set."""
    defaults: dict[str, str] = {}
    """Fields to set where they are missing."""
    placed: list[tuple[str, bytes, bytes, int]] = []
    """Field, a message, the tag of one of its numbers, and the index of the draft whose sequence that number is."""
    counts: dict[str, int] = {}
    """Fields to count up."""
    currency: str | None = None
    cost: int = 0
    """Millionths of the currency; left out where another one is summed up."""
    added: list[tuple[str | int, ...]] = []
    """Member and the sorted sets to which it is added at the end."""
    removed: list[tuple[str, int]] = []
    """Member and the sorted set from which it goes."""
    answer: tuple[bytes, bytes, int] | None = None
    """What to give back and to remember, placed as above; an empty tag leaves it as it is."""
    kept: int = KEPT_SECONDS
    signal: bytes | None = None
    """A signal to the other replicas."""
    begin: str | None = None
    """Id of the entry with which the log begins from now on."""
    drop: bool = False
    """Remove the session."""
    time: str = ""
    writer: str = ""
    number: int = 0


def tag_of(message: type[Run], field: str) -> bytes:
    """The tag of a varint field: a message may say a field again at its end, and the last one counts."""
    return bytes((message.DESCRIPTOR.fields_by_name[field].number << 3,))


FIRST_SEQUENCE = tag_of(Run, "first_sequence")
FINISH_SEQUENCE = tag_of(Run, "finish_sequence")


def run_field(run_id: str, name: str) -> str:
    """A field of a run: record, state, token, owner, until, cancelled or inputs."""
    return f"run/{run_id}/{name}"


def child_member(parent_id: str, run_id: str) -> str:
    """How an unfinished child stands among its session's."""
    return f"{parent_id}/{run_id}"


def approval_field(approval_id: str, name: str) -> str:
    """A field of an approval: record or resolution."""
    return f"approval/{approval_id}/{name}"


def finish(plan: Plan, run: Run, index: int) -> tuple[bytes, bytes, int]:
    """End a run with the event of the draft at `index`; its record, placed."""
    run.ClearField("finish_sequence")
    record = run.SerializeToString()
    plan.placed.append((run_field(run.run_id, "record"), record, FINISH_SEQUENCE, index))
    plan.values |= {run_field(run.run_id, "state"): str(FINISHED), run_field(run.run_id, "until"): "0"}
    if run.parent_run_id:
        plan.removed.append((child_member(run.parent_run_id, run.run_id), keys.CHILDREN))
    else:
        plan.removed.append((run.run_id, keys.OPEN))
        count_usage(plan, run.usage)
    return record, FINISH_SEQUENCE, index


def count_usage(plan: Plan, usage: Usage) -> None:
    """Add to what the session has used."""
    plan.counts |= {f"usage/{name}": getattr(usage, name) for name in COUNTED if getattr(usage, name)}
    if usage.HasField("browser_duration"):
        plan.counts["usage/browser_micros"] = usage.browser_duration.ToMicroseconds()
    if usage.HasField("cost_micros"):
        plan.currency, plan.cost = usage.currency_code, usage.cost_micros


def store_requested(plan: Plan, drafts: Sequence[Draft]) -> None:
    """Store the approvals that are asked for in these drafts."""
    for draft in drafts:
        if draft.kind == EventKind.EVENT_KIND_APPROVAL_REQUESTED:
            approval = Event.FromString(draft.payload).approval_requested.approval
            approval.state = PENDING
            plan.values[approval_field(approval.approval_id, "record")] = approval.SerializeToString()
            plan.added.append((approval.approval_id, keys.APPROVALS, keys.PENDING))
