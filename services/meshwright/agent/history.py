"""A session's conversation, read back from its log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.json_format import MessageToDict

from meshwright.agent.prompt import tool_turn
from meshwright.models.interface import AssistantTurn, ToolCall, UserTurn
from meshwright.store.interface import Page
from meshwright.store.refusals import TrimmedError
from meshwright.v1.event_pb2 import Event, EventKind, Role
from meshwright.v1.run_pb2 import RunOutcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from meshwright.models.interface import Turn
    from meshwright.store.interface import Store
    from meshwright.v1.run_pb2 import Run

CONVERSATION = (
    EventKind.EVENT_KIND_MESSAGE,
    EventKind.EVENT_KIND_TOOL_CALL_STARTED,
    EventKind.EVENT_KIND_TOOL_CALL_FINISHED,
    EventKind.EVENT_KIND_RUN_FINISHED,
)
READ_AT_ONCE = 512
REMEMBERED_RUNS = 20
"""How many tasks of a session a model is told of, the one at work included."""
RUNS_AT_ONCE = 50
MOST_PAGES = 8
"""So many pages of runs are looked through for them, so that thousands of sub-agents do not slow down what comes after them."""


async def read_events(store: Store, session_id: str, after_sequence: int, kinds: Sequence[int]) -> AsyncIterator[Event]:
    """All events of some kinds after a sequence that are still kept."""
    while True:
        try:
            stored = await store.read(session_id, after_sequence, READ_AT_ONCE, kinds)
        except TrimmedError as trimmed:
            after_sequence = trimmed.first_available_sequence - 1
            continue
        for entry in stored:
            yield Event.FromString(entry.payload)
        if len(stored) < READ_AT_ONCE:
            return
        after_sequence = stored[-1].sequence


async def load_turns(store: Store, principal: str, run: Run) -> list[Turn]:
    """The session's latest tasks as models take them; what a long session costs does not grow with its length.

    Every call in it has its result: a run closes its calls before it ends. A sub-agent is told of its own task only, and others of a
    sub-agent only what it answered.
    """
    first = run.first_sequence if run.parent_run_id else await _first_remembered(store, principal, run)
    events = [
        event
        async for event in read_events(store, run.session_id, first - 1, CONVERSATION)
        if (event.run_id == run.run_id if run.parent_run_id else not event.agent_path)
    ]
    arguments = {
        event.tool_call_started.call_id: event.tool_call_started
        for event in events
        if event.HasField("tool_call_started")
    }
    turns: list[Turn] = []
    cut_short: Turn | None = None
    for event in events:
        if event.HasField("tool_call_finished"):
            finished = event.tool_call_finished
            turns.append(tool_turn(finished.call_id, finished.tool, finished.completion))
        elif event.HasField("run_finished"):
            if turns and not isinstance(turns[-1], AssistantTurn):
                # Every task has an answer: models take it amiss when somebody speaks twice in a row.
                outcome = RunOutcome.Name(event.run_finished.outcome).removeprefix("RUN_OUTCOME_").lower()
                turns.append(AssistantTurn(f"(This task ended without an answer: {outcome}.)"))
            cut_short = None
        elif event.HasField("message"):
            message = event.message
            if message.role == Role.ROLE_USER:
                turns.append(UserTurn(message.text))
                cut_short = None
                continue
            _leave_out(turns, cut_short)
            calls = tuple(
                ToolCall(call_id, arguments[call_id].tool, MessageToDict(arguments[call_id].arguments))
                for call_id in message.call_ids
                if call_id in arguments
            )
            if message.text or calls:
                turns.append(AssistantTurn(message.text, calls))
                cut_short = turns[-1] if message.partial else None
    _leave_out(turns, cut_short)
    return turns


async def _first_remembered(store: Store, principal: str, run: Run) -> int:
    """The first sequence of the oldest task that a model is told of. Sub-agents' runs are no tasks."""
    first, tasks = run.first_sequence, 0
    before: tuple[int, int] | None = None
    for _ in range(MOST_PAGES):
        runs = await store.list_runs(principal, run.session_id, Page(RUNS_AT_ONCE, before))
        for listed, _ in runs:
            if not listed.parent_run_id:
                tasks += 1
                first = min(first, listed.first_sequence)
            if tasks == REMEMBERED_RUNS:
                return first
        if len(runs) < RUNS_AT_ONCE:
            break
        before = runs[-1][1]
    return first


def _leave_out(turns: list[Turn], cut_short: Turn | None) -> None:
    """Drop half an answer that a takeover cut short, which the model gives anew. One that a person cut short stays."""
    if turns and turns[-1] is cut_short:
        turns.pop()
