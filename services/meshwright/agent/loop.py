"""The agent loop: think, act, again, until there is an answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from google.protobuf.json_format import MessageToDict

from meshwright.agent.acting import Actions
from meshwright.agent.daily_tokens import spent_for_today
from meshwright.agent.delegate_tool import DELEGATE
from meshwright.agent.ending import Ending, complete, out_of_steps
from meshwright.agent.flags.catalogue import HISTORY_BUDGET
from meshwright.agent.flags.decided import decided
from meshwright.agent.history import load_turns
from meshwright.agent.identifiers import new_id
from meshwright.agent.prompt import fitted, system_prompt
from meshwright.agent.recovery import Journal
from meshwright.agent.thinking import Thought
from meshwright.agent.toolbox import fits
from meshwright.models.interface import ModelRequest, ToolCall, ToolSchema
from meshwright.serving.telemetry import span
from meshwright.store.interface import NO_QUOTAS, Quotas
from meshwright.store.usage import add_usage
from meshwright.v1.event_pb2 import Message, Role, RunStarted
from meshwright.v1.run_pb2 import RunOutcome

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from meshwright.agent.acting import Hands
    from meshwright.agent.approving import ApprovalPolicy
    from meshwright.agent.family import Member
    from meshwright.agent.inputs import Inputs
    from meshwright.agent.models import Models
    from meshwright.agent.toolbox import OfferedTool, Toolbox
    from meshwright.models.interface import Model, ToolTurn, Turn
    from meshwright.store.interface import Store
    from meshwright.v1.event_pb2 import ToolCallStarted
    from meshwright.v1.tool_pb2 import Tool
    from meshwright.v1.tool_pb2 import ToolCall as ProtoToolCall


class Parts(NamedTuple):
    """What every run works with."""

    store: Store
    models: Models
    toolbox: Toolbox
    demo_url: str
    history_budget: int
    approval_policy: ApprovalPolicy
    quotas: Quotas = NO_QUOTAS
    max_delegation_depth: int = 0


class AgentLoop:
    """The loop of one run."""

    def __init__(self, parts: Parts, hands: Hands, inputs: Inputs, member: Member) -> None:
        self._parts = parts
        self._hands = hands
        self._log = hands.log
        self._inputs = inputs
        self._member = member
        self._run = hands.log.run
        self._activity: asyncio.Task[None] | None = None
        self._actions: Actions | None = None
        self._interrupting = False
        self._leaving = False

    @property
    def waits_for_a_person(self) -> bool:
        """All that the current step waits for is a person's answer."""
        return self._actions is not None and self._actions.waits_for_a_person

    def leave(self) -> None:
        """Stop before the next step; the run goes on elsewhere, and so do its sub-agents."""
        self._leaving = True
        self._hands.delegations.leave()

    def interrupt(self) -> None:
        """Stop the current step, or the one that is about to begin: an input waits that is not to wait for its end."""
        self._interrupting = True
        if self._activity is not None:
            self._activity.cancel()

    async def run(self) -> Ending | None:
        """How the run is to end; None when its end is written already or it goes on elsewhere. Raises what ends it otherwise."""
        model = self._parts.models.get(self._run.spec.options.model)
        step, journal = await self._begin(model)
        offered = await self._offered(model)
        tools = {tool.name: tool.message for tool in offered}
        schemas = [tool.schema for tool in offered]
        if journal is not None:
            await self._go_on(journal, tools)
        turns = await self._conversation()
        while not self._leaving:
            self._interrupting = False
            turns.extend(await self._inputs.apply())
            if step > self._run.spec.options.max_steps:
                return Ending(RunOutcome.RUN_OUTCOME_FAILED, out_of_steps(step - 1))
            if (error := await spent_for_today(self._parts.store, self._log.principal, self._parts.quotas)) is not None:
                return Ending(RunOutcome.RUN_OUTCOME_FAILED, error)
            if self._interrupting:
                continue
            thought = Thought(model, self._log, step)
            if not await self._think(thought, self._request(model, turns, schemas)):
                turns = await self._conversation()
            elif thought.calls:
                if (error := self._member.overspent()) is not None:
                    return Ending(RunOutcome.RUN_OUTCOME_FAILED, error, drafts=thought.said())
                turns = await self._act(thought, turns, tools)
            else:
                answer = Ending(RunOutcome.RUN_OUTCOME_COMPLETED, answer=thought.text, drafts=thought.said())
                if await complete(self._log, self._inputs, answer):
                    return None
                await self._log.append(*thought.said(), save_run=True)
                turns.append(thought.turn())
            step += 1
        return None

    async def _begin(self, model: Model) -> tuple[int, Journal | None]:
        """Write that the run begins, or goes on; the number of its next step, and what was done before a takeover."""
        started = self._log.draft(run_started=RunStarted(attempt=self._run.attempt, model=model.name))
        task = self._log.draft(message=Message(message_id=new_id("msg"), role=Role.ROLE_USER, text=self._run.spec.task))
        if self._run.attempt == 1:
            await self._log.append(started, task)
            return 1, None
        journal = await Journal.read(self._parts.store, self._log)
        opening = (started,) if journal.begun else (started, task)
        await self._log.append(*opening, *journal.closings(self._log))
        return journal.steps + 1, journal

    async def _offered(self, model: Model) -> list[OfferedTool]:
        patterns = self._run.spec.options.tools
        offered = await self._parts.toolbox.tools(patterns)
        delegates = fits(DELEGATE.name, patterns) and self._hands.delegations.offered_to(model)
        return [*offered, DELEGATE] if delegates else offered

    async def _go_on(self, journal: Journal, tools: dict[str, Tool]) -> None:
        """Finish the step in which the last worker died.

        Left are calls that a person was asked about, calls that may be made again, and those of sub-agents, which go on.
        """
        if (actions := self._unfinished(journal, tools)) is not None:
            if again := actions.again():
                await self._log.append(*again)
            await self._make(actions, [])

    async def close_what_is_open(self) -> None:
        """Close what an earlier worker left open, or one whose loop ended in a failure; sub-agents are ended first."""
        journal = await Journal.read(self._parts.store, self._log)
        if closings := journal.closings(self._log):
            await self._log.append(*closings)
        if (actions := self._unfinished(journal, {})) is not None:
            await actions.close_open_calls()

    def _unfinished(self, journal: Journal, tools: dict[str, Tool]) -> Actions | None:
        """The calls of the step in which a worker stopped, but for those of which nobody knows whether they took effect."""
        self._hands.delegations.take_over(journal.sub_agents)
        questions = list(journal.questions.values())
        unmade: list[ProtoToolCall | ToolCallStarted] = [question.call for question in questions]
        unmade += journal.repeatable
        unmade += journal.delegated
        asked = [ToolCall(call.call_id, call.tool, MessageToDict(call.arguments)) for call in unmade]
        attempts = {call.call_id: call.attempt + 1 for call in journal.repeatable}
        return Actions(self._hands, tools, asked, journal.steps, questions, attempts) if asked else None

    async def _conversation(self) -> list[Turn]:
        return await load_turns(self._parts.store, self._log.principal, self._run)

    async def _think(self, thought: Thought, request: ModelRequest) -> bool:
        """Have the model answer; False when an input has interrupted it."""
        with span("model.step", step=thought.step, model=thought.model):
            whole = await self._uninterrupted(thought.think(request))
        if whole:
            add_usage(self._run.usage, thought.usage)
        return whole

    async def _act(self, thought: Thought, turns: list[Turn], tools: dict[str, Tool]) -> list[Turn]:
        """Make the calls that the model asked for; the conversation with their results."""
        self._run.usage.tool_calls += len(thought.calls)
        actions = Actions(self._hands, tools, thought.calls, thought.step)
        await self._log.append(*thought.said(), *actions.opening(), save_run=True)
        results: list[ToolTurn] = []
        if await self._make(actions, results) and not actions.asked_a_person:
            return [*turns, thought.turn(), *results]
        return await self._conversation()

    async def _make(self, actions: Actions, results: list[ToolTurn]) -> bool:
        """Make the calls of a step; False when an input has interrupted them."""
        self._actions = actions
        try:
            return await self._uninterrupted(_made(actions, results))
        finally:
            self._actions = None

    async def _uninterrupted(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do a part of a step; False when an input has interrupted it."""
        self._activity = asyncio.create_task(work)
        if self._interrupting:
            # Once it has begun it closes by itself what it was about to do.
            asyncio.get_running_loop().call_soon(self._activity.cancel)
        try:
            await self._activity
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self._interrupting or (task is not None and task.cancelling()):
                raise
            return False
        finally:
            self._activity = None
        return True

    def _request(self, model: Model, turns: list[Turn], schemas: list[ToolSchema]) -> ModelRequest:
        budget = decided(self._run, HISTORY_BUDGET, self._parts.history_budget)
        shown = turns if model.offline else fitted(turns, budget)
        system = system_prompt(self._parts.demo_url, sub_agent=not self._member.is_root)
        return ModelRequest(system, list(shown), schemas)


async def _made(actions: Actions, results: list[ToolTurn]) -> None:
    results.extend(await actions.run())
