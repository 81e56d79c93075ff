"""Taking over a run whose worker died: what it left open is closed in the log, so that nothing stays running."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshwright.agent.delegate_tool import DELEGATE
from meshwright.agent.history import read_events
from meshwright.serving.errors import MeshError
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.event_pb2 import Approval, EventKind, Message, Role, ToolCallFinished, ToolCallStarted
from meshwright.v1.tool_pb2 import ToolCompletion, ToolOutcome

if TYPE_CHECKING:
    from meshwright.agent.run_log import RunLog
    from meshwright.store.interface import Draft, Store

JOURNAL = (
    EventKind.EVENT_KIND_RUN_QUEUED,
    EventKind.EVENT_KIND_MESSAGE,
    EventKind.EVENT_KIND_TEXT_DELTA,
    EventKind.EVENT_KIND_APPROVAL_REQUESTED,
    EventKind.EVENT_KIND_TOOL_CALL_STARTED,
    EventKind.EVENT_KIND_TOOL_CALL_FINISHED,
)


class Journal:
    """What a run had done before its worker died."""

    def __init__(self) -> None:
        self.begun = False
        self.steps = 0
        self.questions: dict[str, Approval] = {}
        """Approvals by their calls, of calls that were not made yet."""
        self.sub_agents: dict[str, str] = {}
        """The runs that the run delegated, by its calls."""
        self._open_calls: dict[str, ToolCallStarted] = {}
        self._half_message = ""
        self._half_text = ""

    @classmethod
    async def read(cls, store: Store, log: RunLog) -> Journal:
        """Read it from the run's part of the session's log."""
        journal = cls()
        run = log.run
        async for event in read_events(store, run.session_id, run.first_sequence - 1, JOURNAL):
            if event.run_queued.parent_run_id == run.run_id:
                journal.sub_agents[event.run_queued.parent_call_id] = event.run_id
            if event.run_id != run.run_id:
                continue
            if event.HasField("text_delta"):
                journal._half_message = event.text_delta.message_id
                journal._half_text += event.text_delta.text
            elif event.HasField("message"):
                journal.begun = journal.begun or event.message.role == Role.ROLE_USER
                if not event.message.partial:
                    journal.steps = max(journal.steps, event.message.step)
                journal._half_message = journal._half_text = ""
            elif event.HasField("approval_requested"):
                approval = event.approval_requested.approval
                journal.questions[approval.call.call_id] = approval
            elif event.HasField("tool_call_started"):
                journal.questions.pop(event.tool_call_started.call_id, None)
                journal._open_calls[event.tool_call_started.call_id] = event.tool_call_started
            elif event.HasField("tool_call_finished"):
                journal._open_calls.pop(event.tool_call_finished.call_id, None)
        return journal

    @property
    def repeatable(self) -> list[ToolCallStarted]:
        """Calls that were under way and may be made again: twice is as good as once."""
        return [call for call in self._open_calls.values() if _may_be_repeated(call)]

    @property
    def delegated(self) -> list[ToolCallStarted]:
        """Calls of sub-agents, which go on where they were."""
        return [call for call in self._open_calls.values() if call.tool == DELEGATE.name]

    def closings(self, log: RunLog) -> list[Draft]:
        """The events that close what was left open."""
        drafts = []
        if self._half_message:
            half = Message(
                message_id=self._half_message,
                role=Role.ROLE_AGENT,
                text=self._half_text,
                step=self.steps + 1,
                partial=True,
            )
            drafts.append(log.draft(message=half))
        lost = [call for call in self._open_calls.values() if not _may_be_repeated(call) and call.tool != DELEGATE.name]
        drafts.extend(log.draft(tool_call_finished=_unknown(call.call_id, call.tool)) for call in lost)
        return drafts


def _may_be_repeated(call: ToolCallStarted) -> bool:
    return call.annotations.idempotent or call.annotations.read_only


def _unknown(call_id: str, tool: str) -> ToolCallFinished:
    error = MeshError(
        reasons.ERROR_REASON_TOOL_OUTCOME_UNKNOWN,
        "The worker that made the call went away; whether it took effect is not known.",
        metadata={"call_id": call_id},
    )
    completion = ToolCompletion(outcome=ToolOutcome.TOOL_OUTCOME_UNKNOWN, error=error.to_status())
    return ToolCallFinished(call_id=call_id, tool=tool, completion=completion)
