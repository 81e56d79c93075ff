"""Questions to a person before a tool is called: which calls need one, and waiting for the answer."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

import structlog

from meshwright.agent.compose import current_time
from meshwright.agent.ending import is_the_stores
from meshwright.agent.identifiers import new_id
from meshwright.agent.metrics import agent_metrics
from meshwright.serving.errors import MeshError
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.event_pb2 import Approval, ApprovalRequested, ApprovalResolved, ApprovalState
from meshwright.v1.tool_pb2 import ToolCall

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.struct_pb2 import Struct

    from meshwright.agent.run_log import RunLog
    from meshwright.store.interface import Draft, Store
    from meshwright.v1.tool_pb2 import Tool

ANNOTATED, DESTRUCTIVE, NONE = "annotated", "destructive", "none"
LOOK_SECONDS = 10.0
log = structlog.get_logger(__name__)


class ApprovalPolicy(NamedTuple):
    """Which calls wait for a person, and how long."""

    rules: Sequence[str]
    """`annotated`, `destructive`, `none`, or names of tools, which may have `*` in them."""
    seconds: float
    """Until a question that nobody answers expires."""

    @classmethod
    def parse(cls, text: str, seconds: float) -> ApprovalPolicy:
        """The policy of a setting or flag: rules with commas between them."""
        return cls(tuple(rule.strip() for rule in text.split(",") if rule.strip()), seconds)

    def with_rules(self, text: str) -> ApprovalPolicy:
        """The same patience with other rules."""
        return self.parse(text, self.seconds)

    def needs(self, tool: Tool) -> bool:
        """Whether calls of the tool wait."""
        if NONE in self.rules:
            return False
        if ANNOTATED in self.rules and tool.annotations.needs_approval:
            return True
        if DESTRUCTIVE in self.rules and (tool.annotations.destructive or tool.annotations.needs_approval):
            return True
        return any(fnmatchcase(tool.name, rule) for rule in self.rules)


class Approvals:
    """The questions of one run."""

    def __init__(self, store: Store, log: RunLog, policy: ApprovalPolicy) -> None:
        self.policy = policy
        self._store = store
        self._log = log
        self._answered: dict[str, asyncio.Event] = {}

    def question(self, call_id: str, arguments: Struct, tool: Tool) -> Approval:
        """The question whether a call may be made."""
        approval = Approval(
            approval_id=new_id("apr"),
            run_id=self._log.run.run_id,
            call=ToolCall(call_id=call_id, tool=tool.name, arguments=arguments),
            arguments_schema=tool.arguments_schema,
            reason=f"Calls of {tool.name} wait for a person.",
            create_time=current_time(),
            state=ApprovalState.APPROVAL_STATE_PENDING,
        )
        approval.expire_time.FromDatetime(approval.create_time.ToDatetime() + timedelta(seconds=self.policy.seconds))
        return approval

    def requested(self, approval: Approval) -> Draft:
        """The question as an event."""
        return self._log.draft(approval_requested=ApprovalRequested(approval=approval))

    def settled(self, approval_id: str) -> None:
        """Somebody has answered, here or at another replica."""
        if (answered := self._answered.get(approval_id)) is not None:
            answered.set()

    async def answer(self, approval: Approval) -> ApprovalResolved:
        """Wait for the answer; a question that nobody answers in time is EXPIRED."""
        answered = self._answered.setdefault(approval.approval_id, asyncio.Event())
        found = await self._read(approval.approval_id)
        if found is not None:
            return found
        agent_metrics.approval_awaited(1)
        try:
            async with asyncio.timeout(approval.expire_time.ToNanoseconds() / 1e9 - time.time()):
                return await self._settled(approval.approval_id, answered)
        except TimeoutError:
            return await self.settle(approval.approval_id, ApprovalState.APPROVAL_STATE_EXPIRED)
        finally:
            agent_metrics.approval_awaited(-1)

    async def settle(self, approval_id: str, state: ApprovalState.ValueType) -> ApprovalResolved:
        """Settle a question that no person answers any more; the answer that came first where there is one."""
        resolution = ApprovalResolved(approval_id=approval_id, state=state)
        try:
            await self._store.resolve_approval(
                self._log.principal,
                self._log.run.session_id,
                approval_id,
                None,
                lambda _: (resolution, self._log.draft(approval_resolved=resolution)),
            )
        except MeshError as error:
            if error.reason != reasons.ERROR_REASON_APPROVAL_CLOSED:
                raise
            return await self._read(approval_id) or resolution
        return resolution

    async def _settled(self, approval_id: str, answered: asyncio.Event) -> ApprovalResolved:
        """Wait for the answer. The signal that tells of it may get lost, so the store is asked now and then."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await answered.wait()
            answered.clear()
            try:
                if (found := await self._read(approval_id)) is not None:
                    return found
            except MeshError as error:
                if not is_the_stores(error):
                    raise
                log.warning("approval.not_read", approval_id=approval_id, reason=error.reason_name)

    async def _read(self, approval_id: str) -> ApprovalResolved | None:
        found = await self._store.get_approval(self._log.principal, self._log.run.session_id, approval_id)
        return found.resolution
