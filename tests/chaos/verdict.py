"""What must be true when all is over, whatever went wrong. Each check gives the violations that it finds."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from meshwright.v1.event_pb2 import Role, SteeringState
from meshwright.v1.run_pb2 import RunOutcome, RunState
from meshwright.v1.tool_pb2 import ToolOutcome
from tests.chaos.ledger import effects
from tests.chaos.story import ending

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from meshwright.v1.event_pb2 import Event
    from meshwright.v1.run_pb2 import Run
    from tests.chaos.fleet import Fleet
    from tests.chaos.spectators import Noted

DEFECT = re.compile(r'"exception"|Traceback|never retrieved|never awaited')


class Record(NamedTuple):
    """One session when all is over."""

    noted: Noted
    log: Sequence[Event]
    runs: Sequence[Run]


def violations(records: Sequence[Record], fleet: Fleet, seed: int) -> list[str]:
    """Everything that should not have happened."""
    found: list[str] = []
    written = effects(fleet.ledger)
    for record in records:
        name = record.noted.session_id
        checks = (
            _sequences(record),
            _ends(record),
            _answers(record, seed),
            _inputs(record),
            _watchers(record),
            _calls(record),
            _effects(record, written),
        )
        found += [f"{name}: {violation}" for check in checks for violation in check]
    return found + list(_defects(fleet))


def _sequences(record: Record) -> Iterator[str]:
    if [event.sequence for event in record.log] != list(range(1, len(record.log) + 1)):
        yield f"the log has gaps or doubles: {[event.sequence for event in record.log]}"


def _ends(record: Record) -> Iterator[str]:
    """Of every run, those of sub-agents too."""
    ends = Counter(event.run_id for event in record.log if event.HasField("run_finished"))
    last = {event.run_id: event.WhichOneof("kind") for event in record.log if event.run_id}
    given = sorted(run.run_id for run in record.runs if not run.parent_run_id)
    if given != sorted(record.noted.runs):
        yield f"it has runs {given} instead of {record.noted.runs}"
    for run_id, kind in last.items():
        if ends[run_id] != 1:
            yield f"{run_id} ended {ends[run_id]} times"
        if kind != "run_finished":
            yield f"{run_id} went on after its end with {kind}"
    for run in record.runs:
        if run.state != RunState.RUN_STATE_FINISHED:
            yield f"{run.run_id} is {RunState.Name(run.state)} for ever"


def _answers(record: Record, seed: int) -> Iterator[str]:
    """Whatever went wrong around them, runs end with their answer, and with something else only if somebody wanted so."""
    runs = {run.run_id: run for run in record.runs}
    for number, run_id in zip(record.noted.stories, record.noted.runs, strict=True):
        run = runs[run_id]
        cancelled = run.outcome == RunOutcome.RUN_OUTCOME_CANCELLED and run_id in record.noted.cancelled
        if not cancelled and not run.answer.endswith(ending(number, seed)):
            yield f"{run_id} ended as {RunOutcome.Name(run.outcome)} with {run.answer!r} {run.error}"


def _inputs(record: Record) -> Iterator[str]:
    """What was accepted is applied once or comes back once."""
    receipts = [event.steering_receipt for event in record.log if event.HasField("steering_receipt")]
    accepted = [r.steering_id for r in receipts if r.state == SteeringState.STEERING_STATE_ACCEPTED]
    settled = [r.steering_id for r in receipts if r.state != SteeringState.STEERING_STATE_ACCEPTED]
    if sorted(accepted) != sorted(settled):
        yield f"the inputs {accepted} became {settled}"
    said = Counter(event.message.message_id for event in record.log if event.message.role == Role.ROLE_USER)
    if twice := [message_id for message_id, times in said.items() if times > 1]:
        yield f"these inputs were said twice: {twice}"


def _watchers(record: Record) -> Iterator[str]:
    log = [event.SerializeToString(deterministic=True) for event in record.log]
    for number, seen in enumerate(record.noted.watchers):
        shown = [event.SerializeToString(deterministic=True) for event in seen]
        if shown != log[: len(shown)]:
            yield f"watcher {number} saw {[event.sequence for event in seen]} of {len(log)} events"


def _calls(record: Record) -> Iterator[str]:
    """Each call ends once, and is never begun again after its end."""
    open_calls: dict[str, int] = {}
    ended: set[str] = set()
    for event in record.log:
        if event.HasField("tool_call_started"):
            started = event.tool_call_started
            if started.call_id in ended:
                yield f"{started.tool} {started.call_id} was made again after its end"
            repeatable = started.annotations.idempotent or started.annotations.read_only
            if started.attempt > 1 and not repeatable:
                yield f"{started.tool} {started.call_id} was made again"
            open_calls[started.call_id] = event.sequence
        elif event.HasField("tool_call_finished"):
            call_id = event.tool_call_finished.call_id
            if call_id not in open_calls or call_id in ended:
                yield f"{event.tool_call_finished.tool} {call_id} ended without a beginning, or twice"
            ended.add(call_id)
    if running := open_calls.keys() - ended:
        yield f"these calls run for ever: {sorted(running)}"


def _effects(record: Record, written: Counter[str]) -> Iterator[str]:
    """What the ledger says of each call against what the log says."""
    names: dict[str, tuple[str, str]] = {}
    attempts: Counter[str] = Counter()
    for event in record.log:
        if event.HasField("tool_call_started") and event.tool_call_started.tool.startswith("ledger."):
            started = event.tool_call_started
            name = str(started.arguments["name"])
            if names.setdefault(name, (started.call_id, started.tool))[0] != started.call_id:
                yield f"{name} was asked for by two calls"
            attempts[name] += 1
    outcomes = {
        event.tool_call_finished.call_id: event.tool_call_finished.completion.outcome
        for event in record.log
        if event.HasField("tool_call_finished")
    }
    for name, (call_id, tool) in names.items():
        times, outcome = written[name], outcomes.get(call_id)
        if tool == "ledger.append" and times > 1:
            yield f"{tool} {name} took effect {times} times"
        if times > attempts[name]:
            yield f"{tool} {name} took effect {times} times in {attempts[name]} attempts"
        if outcome == ToolOutcome.TOOL_OUTCOME_SUCCEEDED and times == 0:
            yield f"{tool} {name} succeeded without an effect"


def _defects(fleet: Fleet) -> Iterator[str]:
    for process in fleet.processes:
        for line in process.log.read_text(errors="replace").splitlines():
            if DEFECT.search(line):
                yield f"{process.name} logged {line[:2000]}"
