"""One model step: the model's answer becomes events as it comes."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING

from google.protobuf.duration_pb2 import Duration

from meshwright.agent.identifiers import new_id
from meshwright.agent.metrics import agent_metrics
from meshwright.agent.observing import note_answer, request_span
from meshwright.models.interface import (
    AssistantTurn,
    Finished,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    ToolCall,
)
from meshwright.models.interface import Usage as ModelUsage
from meshwright.serving.errors import MeshError
from meshwright.store.usage import add_usage
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.event_pb2 import Message, Role, UsageRecorded
from meshwright.v1.run_pb2 import Usage

if TYPE_CHECKING:
    from meshwright.agent.run_log import RunLog
    from meshwright.models.interface import Model
    from meshwright.store.interface import Draft

FLUSH_SECONDS = 5.0


class Thought:
    """What the model says in one step. `think` fills it; afterwards, and also when that was cut short, the rest can be asked."""

    def __init__(self, model: Model, log: RunLog, step: int) -> None:
        self.calls: list[ToolCall] = []
        self.usage = Usage(model_calls=1)
        self._model = model
        self._log = log
        self.step = step
        self._message_id = new_id("msg")
        self._text = log.text(self._message_id)
        self._reasoning = log.reasoning(self._message_id)
        self._finished: Finished | None = None
        self._begun = time.monotonic()
        self._first_token: float | None = None

    @property
    def model(self) -> str:
        """Name of the model that thinks."""
        return self._model.name

    @property
    def text(self) -> str:
        """What was said so far."""
        return self._text.text

    async def think(self, request: ModelRequest) -> None:
        """Have the model answer. MODEL_*, RUN_CLAIM_LOST."""
        error: BaseException | None = None
        try:
            await self._listen(request)
            await self._text.flush()
            await self._reasoning.flush()
        except (MeshError, asyncio.CancelledError) as raised:
            error = raised
            await self._keep_what_there_is()
            raise
        finally:
            agent_metrics.model_answered(self.model, self.usage, self._first_token, error)

    async def _listen(self, request: ModelRequest) -> None:
        with request_span(self._model) as step:
            try:
                async with aclosing(self._model.stream(request)) as parts:
                    async for part in parts:
                        await self._take(part)
            finally:
                note_answer(step, self.usage, self._finished, self._first_token)
            if self._finished is not None and self._finished.reason == "refused":
                raise MeshError(
                    reasons.ERROR_REASON_MODEL_REJECTED,
                    "The model declined to answer.",
                    metadata={"model": self._model.name},
                )

    async def _take(self, part: object) -> None:
        if self._first_token is None:
            self._first_token = time.monotonic() - self._begun
        if isinstance(part, TextDelta):
            if not self._text.begun:
                await self._reasoning.flush()
            self._text.write(part.text)
        elif isinstance(part, ReasoningDelta):
            self._reasoning.write(part.text)
        elif isinstance(part, ToolCall):
            self.calls.append(part)
        elif isinstance(part, ModelUsage):
            self._count(part)
        elif isinstance(part, Finished):
            self._finished = part

    def _count(self, used: ModelUsage) -> None:
        self.usage.input_tokens = used.input_tokens
        self.usage.output_tokens = used.output_tokens
        self.usage.cached_input_tokens = used.cached_input_tokens
        self.usage.reasoning_tokens = used.reasoning_tokens
        if used.cost_micros is not None:
            self.usage.cost_micros = used.cost_micros
            self.usage.currency_code = used.currency

    async def _keep_what_there_is(self) -> None:
        """Close a message that was cut short and count what it took, if the run is still ours.

        A model that had begun to answer has done work, which its provider charges though it may not have come to say how much.
        """
        if self._first_token is None:
            return
        self.calls.clear()
        add_usage(self._log.run.usage, self.usage)
        drafts = (self.message(partial=True), self._usage_recorded()) if self.text else (self._usage_recorded(),)
        try:
            async with asyncio.timeout(FLUSH_SECONDS):
                await self._text.flush()
                await self._log.append(*drafts, save_run=True)
        except (MeshError, TimeoutError):
            return

    def message(self, *, partial: bool = False) -> Draft:
        """The whole message as an event."""
        said = Message(
            message_id=self._message_id,
            role=Role.ROLE_AGENT,
            text=self.text,
            step=self.step,
            partial=partial,
            reasoning=self._reasoning.text,
            call_ids=[call.call_id for call in self.calls],
        )
        return self._log.draft(message=said)

    def said(self) -> tuple[Draft, Draft]:
        """The whole message and the step's usage as events."""
        return self.message(), self._usage_recorded()

    def _usage_recorded(self) -> Draft:
        recorded = UsageRecorded(usage=self.usage, model=self._model.name, step=self.step)
        if self._first_token is not None:
            recorded.time_to_first_token.CopyFrom(
                Duration(nanos=int(self._first_token % 1 * 1e9), seconds=int(self._first_token))
            )
        return self._log.draft(usage_recorded=recorded)

    def turn(self) -> AssistantTurn:
        """The answer as the next request carries it."""
        state = self._finished.provider_state if self._finished is not None else b""
        return AssistantTurn(self.text, tuple(self.calls), state)
