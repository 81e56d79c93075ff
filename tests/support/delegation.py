"""What tests of sub-agents share: a model that answers by its task, and a family's events taken apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from meshwright.v1.event_pb2 import Event, RunFinished, ToolCallFinished
from tests.model_script import Call, Request, Script, Steps, in_turn

DELEGATE = "agent.delegate"


def delegate(task: str, **more: object) -> Call:
    """A call that gives a task to a sub-agent."""
    return Call(DELEGATE, {"task": task, **more})


def by_task(scripts: Mapping[str, Script | Sequence[Steps]]) -> Script:
    """A model that does each task by its script, or says its answers in turn."""

    def script(request: Request) -> Steps:
        task = next(text for text in reversed(users(request)) if text in scripts)
        chosen = scripts[task]
        return chosen(request) if callable(chosen) else in_turn(*chosen)(request)

    return script


def users(request: Request) -> list[str]:
    """What the model is told that users said."""
    return [str(turn["content"]) for turn in request.messages if turn["role"] == "user"]


def of_run(events: Sequence[Event], run_id: str) -> list[Event]:
    """The events of one run."""
    return [event for event in events if event.run_id == run_id]


def kinds(events: Sequence[Event]) -> list[str]:
    """Their kinds."""
    return [str(event.WhichOneof("kind")) for event in events]


def children(events: Sequence[Event], parent_run_id: str) -> list[str]:
    """The runs that a run delegated, in the order in which they were accepted."""
    return [event.run_id for event in events if event.run_queued.parent_run_id == parent_run_id]


def child_of_task(events: Sequence[Event], task: str) -> str:
    """The run that was delegated with a task."""
    return next(e.run_id for e in events if e.run_queued.parent_run_id and e.run_queued.spec.task == task)


def end(events: Sequence[Event], run_id: str) -> RunFinished:
    """How a run ended, which it did once, with its last event."""
    own = of_run(events, run_id)
    assert [kind for kind in kinds(own) if kind == "run_finished"] == ["run_finished"]
    assert own[-1].HasField("run_finished")
    return own[-1].run_finished


def delegations(events: Sequence[Event], run_id: str) -> list[ToolCallFinished]:
    """The ends of the calls by which a run delegated, each of which began once and ended once."""
    own = of_run(events, run_id)
    begun = [event.tool_call_started.call_id for event in own if event.tool_call_started.tool == DELEGATE]
    ended = [event.tool_call_finished for event in own if event.tool_call_finished.tool == DELEGATE]
    assert sorted(begun) == sorted(call.call_id for call in ended)
    return ended


def assert_whole(events: Sequence[Event]) -> None:
    """None of the session's first events is missing; a run ended before its parent did, and nothing of it follows its end."""
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    ends = {event.run_id: event.sequence for event in events if event.HasField("run_finished")}
    for event in events:
        if parent := event.run_queued.parent_run_id:
            assert ends[event.run_id] < ends[parent]
        if event.run_id in ends:
            assert event.sequence <= ends[event.run_id]
