"""Sub-agents, through both doors: a task given away, several at once, of several generations, and what each is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from meshwright.serving.errors import MeshError
from meshwright.v1 import agent_service_pb2 as pb
from meshwright.v1.event_pb2 import EventFilter, Role
from meshwright.v1.run_pb2 import RunOutcome, RunSpec
from meshwright.v1.tool_pb2 import ToolOutcome
from tests.model_script import Call, Report, Request, Say, Steps, in_turn
from tests.support.agent_mesh import ConverseDoor, Door, UnaryDoor, agent_mesh
from tests.support.agent_tools import gate_tool, meeting_tool
from tests.support.delegation import (
    assert_whole,
    by_task,
    child_of_task,
    children,
    delegate,
    delegations,
    end,
    kinds,
    of_run,
    users,
)

DOORS: dict[str, Door] = {"unary": UnaryDoor(), "converse": ConverseDoor()}
COMPLETED, SUCCEEDED = RunOutcome.RUN_OUTCOME_COMPLETED, ToolOutcome.TOOL_OUTCOME_SUCCEEDED


@pytest.fixture(params=list(DOORS))
def door(request: pytest.FixtureRequest) -> Door:
    return DOORS[request.param]


def repeats_its_results(request: Request) -> Steps:
    return Say(" + ".join(request.tool_results))


async def test_a_sub_agent_does_a_task_in_the_stream_of_its_parent(tmp_path: Path, door: Door) -> None:
    script = by_task(
        {
            "plan": lambda request: delegate("look") if request.step == 0 else repeats_its_results(request),
            "look": [
                [Say("I look."), Call("file.list", {}), Report(100, 10)],
                [Say("Nothing there."), Report(200, 20)],
            ],
        }
    )
    async with agent_mesh(tmp_path, script) as mesh:
        session_id = await mesh.new_session()
        seen = await door.run(mesh, session_id, RunSpec(task="plan"))
        runs = (await mesh.stub.ListRuns(pb.ListRunsRequest(session_id=session_id))).runs
        session = (await mesh.stub.GetSession(pb.GetSessionRequest(session_id=session_id))).session
    assert_whole(seen.events)
    root = seen.events[0].run_id
    (child,) = children(seen.events, root)
    own = of_run(seen.events, child)
    queued, (call,) = own[0].run_queued, delegations(seen.events, root)
    assert (queued.spec.task, queued.parent_call_id) == ("look", call.call_id)
    assert {tuple(event.agent_path) for event in own} == {(child,)}
    assert {tuple(event.agent_path) for event in of_run(seen.events, root)} == {()}
    assert [kind for kind in kinds(own) if not kind.endswith("_delta")] == [
        "run_queued",
        "run_started",
        "message",
        "message",
        "usage_recorded",
        "tool_call_started",
        "tool_call_finished",
        "message",
        "usage_recorded",
        "run_finished",
    ]
    assert (call.completion.outcome, call.completion.result.text) == (SUCCEEDED, "Nothing there.")
    assert call.completion.result.untrusted_origin == f"sub-agent {child}"
    assert "Nothing there." in seen.events[-1].run_finished.answer
    assert {run.run_id: run.parent_run_id for run in runs} == {root: "", child: root}
    used, of_child = end(seen.events, root).usage, end(seen.events, child).usage
    assert (of_child.model_calls, of_child.input_tokens, of_child.output_tokens, of_child.tool_calls) == (2, 300, 30, 1)
    assert (used.model_calls, used.tool_calls) == (4, 2)
    assert used.input_tokens == of_child.input_tokens + 20
    assert session.usage == used
    assert session.active_run_id == ""


async def test_a_sub_agent_is_told_of_its_task_only_and_others_of_its_answer_only(tmp_path: Path) -> None:
    script = by_task(
        {
            "before": [Say("Before.")],
            "plan": [delegate("look"), Say("Planned.")],
            "look": [[Say("Secret thought."), Call("file.list", {})], Say("Found.")],
            "after": [Say("After.")],
        }
    )
    async with agent_mesh(tmp_path, script) as mesh:
        session_id = await mesh.new_session()
        for task in ("before", "plan", "after"):
            run = await mesh.start(session_id, task)
            await mesh.events(session_id, run.run_id)
        requests = mesh.model.requests
    of_child = [request for request in requests if users(request) == ["look"]]
    assert len(of_child) == 2
    assert all("You are a sub-agent" in str(request.messages[0]["content"]) for request in of_child)
    others = [request for request in requests if request not in of_child]
    assert len(others) == 4
    assert not any("You are a sub-agent" in str(request.messages[0]["content"]) for request in others)
    assert not any("Secret thought." in str(request.messages) for request in others)
    assert users(others[-1]) == ["before", "plan", "after"]
    results = [str(turn["content"]) for turn in others[-1].messages if turn["role"] == "tool"]
    assert len(results) == 1
    assert "Found." in results[0]
    assert results[0].startswith('<untrusted origin="sub-agent run_')


async def test_sub_agents_of_one_step_work_at_the_same_time(tmp_path: Path, door: Door) -> None:
    def plan(request: Request) -> Steps:
        parts = [delegate("a"), delegate("b"), Call("test.meet", {"name": "root"})]
        return repeats_its_results(request) if request.step else parts

    parts = {name: in_turn(Call("test.meet", {"name": name}), Say(f"{name} is done.")) for name in ("a", "b")}
    script = by_task({"plan": plan, **parts})
    async with agent_mesh(tmp_path, script, [meeting_tool(3)]) as mesh:
        seen = await door.run(mesh, await mesh.new_session(), RunSpec(task="plan"))
    assert_whole(seen.events)
    root = seen.events[0].run_id
    assert [call.completion.outcome for call in delegations(seen.events, root)] == [SUCCEEDED, SUCCEEDED]
    answer = end(seen.events, root).answer
    assert answer.index("a is done.") < answer.index("b is done.") < answer.index("root met")


async def test_more_sub_agents_than_may_work_at_once_wait_for_each_other(tmp_path: Path) -> None:
    names = [f"part {number}" for number in range(10)]
    parts = {name: in_turn(Call("test.wait", {}), Say(f"{name} done")) for name in names}
    script = by_task({"plan": in_turn([delegate(name) for name in names], Say("All done.")), **parts})
    gate = asyncio.Event()
    async with agent_mesh(tmp_path, script, [gate_tool(gate)]) as mesh:
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "plan")
        so_far = await mesh.events_until(session_id, "tool_call_progress", 8)
        gate.set()
        events = await mesh.events(session_id, run.run_id)
    assert_whole(events)
    assert len(children(so_far, run.run_id)) == 8
    assert len(children(events, run.run_id)) == 10
    assert end(events, run.run_id).answer == "All done."


async def test_sub_agents_have_sub_agents_as_deep_as_the_setting_says(tmp_path: Path, door: Door) -> None:
    script = by_task(
        {
            "top": [delegate("middle"), Say("Top.")],
            "middle": [delegate("bottom"), Say("Middle.")],
            "bottom": [delegate("too deep"), Say("Bottom.")],
        }
    )
    async with agent_mesh(tmp_path, script) as mesh:
        seen = await door.run(mesh, await mesh.new_session(), RunSpec(task="top"))
        offered = {users(request)[0]: "agent_delegate" in request.tools for request in mesh.model.requests}
    assert_whole(seen.events)
    root = seen.events[0].run_id
    middle, bottom = child_of_task(seen.events, "middle"), child_of_task(seen.events, "bottom")
    assert children(seen.events, middle) == [bottom]
    assert {tuple(event.agent_path) for event in of_run(seen.events, bottom)} == {(middle, bottom)}
    assert offered == {"top": True, "middle": True, "bottom": False}
    (refused,) = [e.tool_call_finished for e in of_run(seen.events, bottom) if e.HasField("tool_call_finished")]
    assert MeshError.from_status(refused.completion.error).reason_name == "TOOL_NOT_FOUND"
    assert [end(seen.events, run).answer for run in (root, middle, bottom)] == ["Top.", "Middle.", "Bottom."]
    assert end(seen.events, root).usage.model_calls == 6


@pytest.mark.parametrize(("depth", "tools", "offered"), [(0, [], False), (1, [], True), (1, ["file.*"], False)])
async def test_settings_and_the_runs_own_tools_say_whether_it_may_delegate(
    tmp_path: Path, depth: int, tools: list[str], offered: bool
) -> None:
    async with agent_mesh(tmp_path, Say("Done."), max_delegation_depth=depth) as mesh:
        spec = RunSpec(task="plan")
        spec.options.tools.extend(tools)
        await UnaryDoor().run(mesh, await mesh.new_session(), spec)
        (request,) = mesh.model.requests
    assert ("agent_delegate" in request.tools) is offered


async def test_a_watch_of_a_run_shows_its_sub_agents_from_any_cursor(tmp_path: Path) -> None:
    script = by_task({"plan": [delegate("look"), Say("Planned.")], "look": [Call("file.list", {}), Say("Found.")]})
    async with agent_mesh(tmp_path, script) as mesh:
        session_id = await mesh.new_session()
        run = await mesh.start(session_id, "plan")
        events = await mesh.events(session_id, run.run_id)
        other = await mesh.start(session_id, "plan")
        everything = await mesh.events(session_id, other.run_id)
        assert len(everything) > len(events)
        chosen = EventFilter(run_ids=[run.run_id])
        for after in (0, 4, len(events) - 3):
            request = pb.WatchSessionRequest(
                session_id=session_id, after_sequence=after, filter=chosen, until_run_id=run.run_id
            )
            watched = [event async for response in mesh.stub.WatchSession(request) for event in response.events]
            assert watched == events[after:]


async def test_the_offline_planner_is_not_offered_to_delegate(tmp_path: Path) -> None:
    async with agent_mesh(tmp_path, Say("never asked")) as mesh:
        spec = RunSpec(task="list files")
        spec.options.model = "offline"
        seen = await UnaryDoor().run(mesh, await mesh.new_session(), spec)
    assert seen.events[-1].run_finished.outcome == COMPLETED
    assert children(seen.events, seen.events[0].run_id) == []


async def test_a_long_answer_is_cut_for_the_parent_and_whole_in_the_log(tmp_path: Path) -> None:
    script = by_task({"plan": [delegate("write"), Say("Read.")], "write": in_turn(Say("x" * 70_000))})
    async with agent_mesh(tmp_path, script) as mesh:
        events = await mesh.do("plan")
    (call,) = delegations(events, events[0].run_id)
    assert call.completion.result.truncated
    assert len(call.completion.result.text) <= 64 * 1024
    assert len(end(events, child_of_task(events, "write")).answer) == 70_000
    assert [event.message.text for event in events if event.message.role == Role.ROLE_USER] == ["plan", "write"]
