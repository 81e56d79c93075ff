"""What sub-agents share with the run that has them: tokens, money, time, tools; and calls that are refused."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from meshwright.serving.errors import MeshError
from meshwright.v1.run_pb2 import RunOptions, RunOutcome
from meshwright.v1.tool_pb2 import ToolCompletion, ToolOutcome
from tests.model_script import Call, Report, Say, Steps, in_turn
from tests.support.agent_mesh import agent_mesh
from tests.support.agent_tools import meeting_tool, waiting_tool
from tests.support.delegation import (
    DELEGATE,
    assert_whole,
    by_task,
    child_of_task,
    children,
    delegate,
    delegations,
    end,
    of_run,
)

COMPLETED, FAILED = RunOutcome.RUN_OUTCOME_COMPLETED, RunOutcome.RUN_OUTCOME_FAILED
LIST = Call("file.list", {})


def reason(completion: ToolCompletion) -> str:
    return MeshError.from_status(completion.error).reason_name


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "arguments.task"),
        ({"task": ""}, "arguments.task"),
        ({"task": "x" * 100_001}, "arguments.task"),
        ({"task": "look", "max_steps": -1}, "arguments.max_steps"),
        ({"task": "look", "max_steps": 201}, "arguments.max_steps"),
        ({"task": "look", "tools": "file.*"}, "arguments.tools"),
        ({"task": "look", "tools": ["fly.*"]}, "arguments.tools"),
        ({"task": "look", "model": "other"}, "arguments.model"),
        ("no JSON", ""),
    ],
)
async def test_calls_that_do_not_fit_fail_and_begin_nothing(
    tmp_path: Path, arguments: dict[str, Any] | str, field: str
) -> None:
    script = by_task({"plan": [Call(DELEGATE, arguments), Say("Then not.")]})
    async with agent_mesh(tmp_path, script) as mesh:
        options = RunOptions(tools=["file.*", "agent.*"])
        events = await mesh.do("plan", options=options)
    assert_whole(events)
    root = events[0].run_id
    (call,) = delegations(events, root)
    assert (call.completion.outcome, reason(call.completion)) == (ToolOutcome.TOOL_OUTCOME_FAILED, "TOOL_ARGUMENTS")
    violations = MeshError.from_status(call.completion.error).violations
    assert [violation.field for violation in violations] == ([field] if field else [])
    assert children(events, root) == []
    assert end(events, root).answer == "Then not."


@pytest.mark.parametrize(
    ("of_parent", "asked", "of_child"),
    [
        ([], None, []),
        ([], ["file.*"], ["file.*"]),
        (["file.*", "agent.*"], None, ["file.*", "agent.*"]),
        (["file.*", "agent.*"], ["file.list", "browser.*"], ["file.list"]),
    ],
)
async def test_a_sub_agent_has_no_tools_that_its_parent_has_not(
    tmp_path: Path, of_parent: list[str], asked: list[str] | None, of_child: list[str]
) -> None:
    call = delegate("look") if asked is None else delegate("look", tools=asked)
    script = by_task({"plan": [call, Say("Done.")], "look": [Say("Looked.")]})
    async with agent_mesh(tmp_path, script) as mesh:
        events = await mesh.do("plan", options=RunOptions(tools=of_parent))
        by_child = mesh.model.requests[1].tools
    queued = of_run(events, child_of_task(events, "look"))[0].run_queued
    assert list(queued.spec.options.tools) == of_child
    if of_child:
        assert all(name.startswith(("file_", "agent_")) for name in by_child)
    else:
        assert "agent_delegate" in by_child


@pytest.mark.parametrize(("asked", "granted"), [({}, 9), ({"max_steps": 3}, 3), ({"max_steps": 50}, 9)])
async def test_a_sub_agent_has_no_more_steps_than_its_parent_has_left(
    tmp_path: Path, asked: dict[str, int], granted: int
) -> None:
    script = by_task({"plan": [delegate("loop", **asked), Say("Enough.")], "loop": [LIST]})
    async with agent_mesh(tmp_path, script) as mesh:
        events = await mesh.do("plan", options=RunOptions(max_steps=10))
    assert_whole(events)
    root = events[0].run_id
    (call,) = delegations(events, root)
    assert (call.completion.outcome, reason(call.completion)) == (
        ToolOutcome.TOOL_OUTCOME_FAILED,
        "STEP_LIMIT_REACHED",
    )
    assert end(events, child_of_task(events, "loop")).usage.model_calls == granted
    assert (end(events, root).outcome, end(events, root).answer) == (COMPLETED, "Enough.")


async def test_a_run_does_not_delegate_in_its_last_step(tmp_path: Path) -> None:
    script = by_task({"plan": [delegate("look")], "look": [Say("Looked.")]})
    async with agent_mesh(tmp_path, script) as mesh:
        events = await mesh.do("plan", options=RunOptions(max_steps=1))
    assert children(events, events[0].run_id) == []
    assert reason(delegations(events, events[0].run_id)[0].completion) == "STEP_LIMIT_REACHED"


async def test_a_family_shares_its_tokens(tmp_path: Path) -> None:
    """Each of the two could go on by itself; both together are over the budget, and so is the run that has them."""
    meet: Steps = [Call("test.meet", {"name": "part"}), Report(1, 0)]
    part = in_turn(meet, [LIST, Report(60, 0)], [LIST, Report(1, 0)])
    plan = in_turn([delegate("a"), delegate("b"), Report(10, 0)], LIST)
    script = by_task({"plan": plan, "a": part, "b": part})
    async with agent_mesh(tmp_path, script, [meeting_tool(2)]) as mesh:
        events = await mesh.do("plan", options=RunOptions(max_tokens=100))
    assert_whole(events)
    root = events[0].run_id
    budgets = [of_run(events, run)[0].run_queued.spec.options.max_tokens for run in children(events, root)]
    assert budgets == [90, 90]
    for call in delegations(events, root):
        assert (call.completion.outcome, reason(call.completion)) == (
            ToolOutcome.TOOL_OUTCOME_FAILED,
            "BUDGET_EXHAUSTED",
        )
    finished = end(events, root)
    assert (finished.outcome, MeshError.from_status(finished.error).reason_name) == (FAILED, "BUDGET_EXHAUSTED")
    of_children = sum(end(events, run).usage.input_tokens for run in children(events, root))
    assert finished.usage.input_tokens == 10 + of_children + 10
    assert 122 <= of_children <= 124


async def test_nothing_is_delegated_when_the_budget_is_used_up(tmp_path: Path) -> None:
    """The first call of the second step would spend what the first step's sub-agent has spent already."""
    script = by_task(
        {
            "plan": [[delegate("a"), Report(10, 0)], [delegate("b"), Report(1, 0)], Say("Done.")],
            "a": [[Say("Costly."), Report(500, 0)]],
        }
    )
    async with agent_mesh(tmp_path, script) as mesh:
        events = await mesh.do("plan", options=RunOptions(max_tokens=100))
    root = events[0].run_id
    assert len(children(events, root)) == 1
    assert MeshError.from_status(end(events, root).error).metadata["budget"] == "max_tokens"


async def test_the_time_of_a_run_is_the_time_of_its_sub_agents(tmp_path: Path) -> None:
    script = by_task({"plan": [delegate("wait")], "wait": [Call("test.wait", {})]})
    cancelled = asyncio.Event()
    options = RunOptions()
    options.timeout.FromMilliseconds(1000)
    async with agent_mesh(tmp_path, script, [waiting_tool(cancelled)]) as mesh:
        events = await mesh.do("plan", options=options)
    assert_whole(events)
    root, child = events[0].run_id, child_of_task(events, "wait")
    assert 0 < of_run(events, child)[0].run_queued.spec.options.timeout.ToMilliseconds() <= 1000
    assert end(events, child).outcome == RunOutcome.RUN_OUTCOME_CANCELLED
    assert end(events, root).outcome == RunOutcome.RUN_OUTCOME_EXPIRED
    assert delegations(events, root)[0].completion.outcome == ToolOutcome.TOOL_OUTCOME_CANCELLED
    assert cancelled.is_set()
