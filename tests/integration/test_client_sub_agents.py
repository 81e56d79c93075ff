"""Sub-agents as the SDK shows them: in the stream of their run, and never taken for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from meshwright import Mesh
from meshwright.client import (
    ApprovalRequested,
    Event,
    Message,
    Role,
    RunFinished,
    RunOutcome,
    RunQueued,
    RunState,
    SubAgentEvent,
    TextDelta,
    ToolCallFinished,
    ToolOutcome,
)
from tests.model_script import Call, Say, in_turn
from tests.support.delegation import DELEGATE, by_task, delegate
from tests.support.sdk_agent import sdk_agent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SCRIPT = by_task(
    {
        "plan": in_turn([Say("I delegate."), delegate("look")], Say("The end of the run.")),
        "look": in_turn([Say("I go deeper."), delegate("look closely")], Say("The end of the sub-agent.")),
        "look closely": in_turn(Say("The end of the deepest.")),
        "write": in_turn(delegate("really write"), Say("Done.")),
        "really write": in_turn(Call("file.write", {"path": "a.txt", "content": "x"}), Say("Written.")),
    }
)


def own_text(events: Sequence[Event]) -> str:
    """As an app that knows nothing of sub-agents gathers it."""
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def of_sub_agents(events: Sequence[Event], depth: int) -> list[Event]:
    return [event.event for event in events if isinstance(event, SubAgentEvent) and len(event.agent_path) == depth]


def check(events: Sequence[Event]) -> None:
    assert own_text(events) == "I delegate.The end of the run."
    assert [type(event) for event in events].count(RunFinished) == 1
    assert isinstance(events[-1], RunFinished)
    (call,) = [event for event in events if isinstance(event, ToolCallFinished)]
    assert (call.tool, call.outcome, call.text) == (DELEGATE, ToolOutcome.SUCCEEDED, "The end of the sub-agent.")
    for depth, text in ((1, "I go deeper.The end of the sub-agent."), (2, "The end of the deepest.")):
        inner = of_sub_agents(events, depth)
        assert isinstance(inner[0], RunQueued)
        assert isinstance(inner[-1], RunFinished)
        assert own_text(inner) == text
    assert of_sub_agents(events, 1)[0].run_id == call.structured["run_id"] if call.structured else False


async def test_a_run_shows_its_sub_agents_wrapped_and_ends_with_its_own_end(tmp_path: Path) -> None:
    async with sdk_agent(tmp_path, SCRIPT, None) as agent, Mesh(agent.name) as mesh:
        session = await mesh.create_session()
        stream = session.run("plan")
        seen = [event async for event in stream]
        run = session.existing_run(stream.run_id)
        watched = [event async for event in run.events()]
        late = [event async for event in run.events(after=seen[-6].sequence)]
        result = await run.result()
        listed = [info async for info in session.runs()]
        whole = [event async for event in session.events(follow=False)]
    check(seen)
    check(watched)
    assert [event.sequence for event in watched] == [event.sequence for event in seen]
    assert late == watched[-5:]
    assert result.answer == "The end of the run."
    assert [event.sequence for event in whole] == [event.sequence for event in seen]
    assert not any(isinstance(event, SubAgentEvent) for event in whole)
    assert len({info.run_id for info in listed}) == 3
    assert sum(not info.parent_run_id for info in listed) == 1


async def test_a_sub_agents_run_can_be_followed_by_itself(tmp_path: Path) -> None:
    async with sdk_agent(tmp_path, SCRIPT, None) as agent, Mesh(agent.name) as mesh:
        session = await mesh.create_session()
        seen = [event async for event in session.run("plan")]
        child = session.existing_run(of_sub_agents(seen, 1)[0].run_id)
        events = [event async for event in child.events()]
        result = await child.result()
        info = await child.info()
    assert own_text(events) == "I go deeper.The end of the sub-agent."
    assert own_text(of_sub_agents(events, 2)) == "The end of the deepest."
    assert result.answer == "The end of the sub-agent."
    assert (info.state, info.parent_run_id) == (RunState.FINISHED, seen[0].run_id)
    said = [event for event in events if isinstance(event, Message) and event.role is Role.USER]
    assert [message.text for message in said] == ["look"]


async def test_the_answer_is_the_runs_own(tmp_path: Path) -> None:
    async with sdk_agent(tmp_path, SCRIPT, None) as agent, Mesh(agent.name) as mesh:
        assert await mesh.ask("plan") == "The end of the run."


async def test_a_question_of_a_sub_agent_is_answered_in_the_session(tmp_path: Path) -> None:
    async with sdk_agent(tmp_path, SCRIPT, None, approvals="file.write") as agent, Mesh(agent.name) as mesh:
        session = await mesh.create_session()
        finished: RunFinished | None = None
        async for event in session.run("write"):
            match event:
                case SubAgentEvent(event=ApprovalRequested(approval=approval)):
                    await session.approve(approval.approval_id)
                case RunFinished():
                    finished = event
    assert finished is not None
    assert finished.outcome is RunOutcome.COMPLETED


async def test_a_sub_agent_is_cancelled_and_its_parent_goes_on(tmp_path: Path) -> None:
    asked = asyncio.Event()
    async with sdk_agent(tmp_path, SCRIPT, None, approvals="file.write") as agent, Mesh(agent.name) as mesh:
        session = await mesh.create_session()
        stream = session.run("write")
        ends: list[RunFinished] = []
        async for event in stream:
            match event:
                case SubAgentEvent(event=ApprovalRequested() as question):
                    asked.set()
                    await session.existing_run(question.run_id).cancel()
                case SubAgentEvent(event=RunFinished() as end) | (RunFinished() as end):
                    ends.append(end)
    assert asked.is_set()
    assert [end.outcome for end in ends] == [RunOutcome.CANCELLED, RunOutcome.COMPLETED]
