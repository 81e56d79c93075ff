"""The SDK.

    from meshwright import Mesh

    async with Mesh("localhost:8080") as mesh:
        print(await mesh.ask("Compare the prices of the lamp and the desk in the demo shop"))

`meshwright.client.sync` has the same without `await`, for scripts and notebooks.
"""

from meshwright.client.enums import (
    ApprovalState,
    NoticeLevel,
    Role,
    RunOutcome,
    RunState,
    SteeringMode,
    SteeringState,
    ToolOutcome,
    Track,
)
from meshwright.client.errors import (
    AlreadyExists,
    DeadlineExceeded,
    FailedPrecondition,
    InternalError,
    InvalidArgument,
    MeshError,
    NotFound,
    OutOfRange,
    PermissionDenied,
    QuotaExceeded,
    ResourceExhausted,
    RunCancelled,
    RunError,
    RunExpired,
    RunFailed,
    Unauthenticated,
    Unavailable,
    Unimplemented,
    Violation,
)
from meshwright.client.events import (
    ApprovalRequested,
    ApprovalResolved,
    ArtifactAdded,
    BrowserAttached,
    BrowserDetached,
    Event,
    Gap,
    Message,
    Notice,
    ReasoningDelta,
    RunFinished,
    RunQueued,
    RunStarted,
    SteeringReceipt,
    SubAgentEvent,
    TextDelta,
    ToolCallFinished,
    ToolCallProgress,
    ToolCallStarted,
    UnknownEvent,
    UsageRecorded,
)
from meshwright.client.infos import AgentInfo, RunInfo, SessionInfo
from meshwright.client.mesh import Mesh
from meshwright.client.options import RunOptions
from meshwright.client.records import Approval, Artifact, SteeringStatus, Usage
from meshwright.client.run import Run
from meshwright.client.run_stream import RunStream
from meshwright.client.session import Session
from meshwright.client.watch import WatchStream

__all__ = [
    "AgentInfo",
    "AlreadyExists",
    "Approval",
    "ApprovalRequested",
    "ApprovalResolved",
    "ApprovalState",
    "Artifact",
    "ArtifactAdded",
    "BrowserAttached",
    "BrowserDetached",
    "DeadlineExceeded",
    "Event",
    "FailedPrecondition",
    "Gap",
    "InternalError",
    "InvalidArgument",
    "Mesh",
    "MeshError",
    "Message",
    "NotFound",
    "Notice",
    "NoticeLevel",
    "OutOfRange",
    "PermissionDenied",
    "QuotaExceeded",
    "ReasoningDelta",
    "ResourceExhausted",
    "Role",
    "Run",
    "RunCancelled",
    "RunError",
    "RunExpired",
    "RunFailed",
    "RunFinished",
    "RunInfo",
    "RunOptions",
    "RunOutcome",
    "RunQueued",
    "RunStarted",
    "RunState",
    "RunStream",
    "Session",
    "SessionInfo",
    "SteeringMode",
    "SteeringReceipt",
    "SteeringState",
    "SteeringStatus",
    "SubAgentEvent",
    "TextDelta",
    "ToolCallFinished",
    "ToolCallProgress",
    "ToolCallStarted",
    "ToolOutcome",
    "Track",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "UnknownEvent",
    "Usage",
    "UsageRecorded",
    "Violation",
    "WatchStream",
]
