"""The agent protocol as typed values: one frozen class for each kind of event.

match event:
    case TextDelta(text=text): ...
    case ToolCallFinished(tool=tool, outcome=ToolOutcome.FAILED, error=error): ...
    case RunFinished(answer=answer): ...
"""

from meshwright.client.events.base import (
    Event,
    Gap,
    SubAgentEvent,
    UnknownEvent,
)
from meshwright.client.events.messages import (
    Message,
    ReasoningDelta,
    TextDelta,
)
from meshwright.client.events.runs import (
    Notice,
    RunFinished,
    RunQueued,
    RunStarted,
    SteeringReceipt,
    UsageRecorded,
)
from meshwright.client.events.tools import (
    ApprovalRequested,
    ApprovalResolved,
    ArtifactAdded,
    BrowserAttached,
    BrowserDetached,
    ToolCallFinished,
    ToolCallProgress,
    ToolCallStarted,
)

__all__ = [
    "ApprovalRequested",
    "ApprovalResolved",
    "ArtifactAdded",
    "BrowserAttached",
    "BrowserDetached",
    "Event",
    "Gap",
    "Message",
    "Notice",
    "ReasoningDelta",
    "RunFinished",
    "RunQueued",
    "RunStarted",
    "SteeringReceipt",
    "SubAgentEvent",
    "TextDelta",
    "ToolCallFinished",
    "ToolCallProgress",
    "ToolCallStarted",
    "UnknownEvent",
    "UsageRecorded",
]
