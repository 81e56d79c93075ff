"""The errors that every store engine raises alike."""

from __future__ import annotations

import time

from meshwright.serving.errors import MeshError, Quota
from meshwright.v1 import error_reason_pb2 as reasons
from meshwright.v1.event_pb2 import Approval, ApprovalState
from meshwright.v1.run_pb2 import Run, RunOutcome

DAY_SECONDS = 24 * 3600
RUNS_RETRY_SECONDS = 5.0
SESSIONS_RETRY_SECONDS = 60.0


class StoreUnusableError(Exception):
    """MESHWRIGHT_STORE_URL is wrong: to wait for the server would not help. The message is for people."""


def session_not_found(session_id: str) -> MeshError:
    """SESSION_NOT_FOUND."""
    return MeshError(
        reasons.ERROR_REASON_SESSION_NOT_FOUND, "There is no such session.", metadata={"session_id": session_id}
    )


def run_not_found(session_id: str, run_id: str) -> MeshError:
    """RUN_NOT_FOUND; without a run_id the session has no active run."""
    what = "The session has no such run." if run_id else "The session has no run that has not ended."
    return MeshError(reasons.ERROR_REASON_RUN_NOT_FOUND, what, metadata={"session_id": session_id, "run_id": run_id})


def run_finished(run: Run) -> MeshError:
    """RUN_FINISHED."""
    outcome = RunOutcome.Name(run.outcome).removeprefix("RUN_OUTCOME_")
    return MeshError(
        reasons.ERROR_REASON_RUN_FINISHED,
        "The run has ended already.",
        metadata={"run_id": run.run_id, "outcome": outcome},
    )


def session_busy(session_id: str, active_run_id: str) -> MeshError:
    """SESSION_BUSY."""
    return MeshError(
        reasons.ERROR_REASON_SESSION_BUSY,
        "A run of the session has not ended yet.",
        metadata={"session_id": session_id, "active_run_id": active_run_id},
    )


class InputsWaitingError(MeshError):
    """The run was given inputs that its worker has not seen. It never leaves the worker."""

    def __init__(self, run_id: str) -> None:
        super().__init__(
            reasons.ERROR_REASON_SESSION_BUSY, "The run has inputs that wait.", metadata={"run_id": run_id}
        )


class TrimmedError(MeshError):
    """Events after the cursor were removed; those from `first_available_sequence` on are there. It never leaves the agent."""

    def __init__(self, first_available_sequence: int) -> None:
        super().__init__(
            reasons.ERROR_REASON_INTERNAL,
            "The events after the cursor are not kept any more.",
            metadata={"first_available_sequence": first_available_sequence},
        )
        self.first_available_sequence = first_available_sequence


def approval_not_found(approval_id: str) -> MeshError:
    """APPROVAL_NOT_FOUND."""
    return MeshError(
        reasons.ERROR_REASON_APPROVAL_NOT_FOUND,
        "The session has no such approval.",
        metadata={"approval_id": approval_id},
    )


def approval_closed(approval: Approval) -> MeshError:
    """APPROVAL_CLOSED."""
    state = ApprovalState.Name(approval.state).removeprefix("APPROVAL_STATE_")
    return MeshError(
        reasons.ERROR_REASON_APPROVAL_CLOSED,
        "The approval was settled otherwise before.",
        metadata={"approval_id": approval.approval_id, "state": state},
    )


def claim_lost(run_id: str) -> MeshError:
    """RUN_CLAIM_LOST."""
    return MeshError(
        reasons.ERROR_REASON_RUN_CLAIM_LOST, "The run is not this worker's any more.", metadata={"run_id": run_id}
    )


def request_id_reused(request_id: str) -> MeshError:
    """REQUEST_ID_REUSED."""
    return MeshError(
        reasons.ERROR_REASON_REQUEST_ID_REUSED,
        "The request_id was used before with another request; use a new one.",
        metadata={"request_id": request_id},
    )


def today() -> int:
    """Days since 1970, by UTC."""
    return int(time.time()) // DAY_SECONDS


def sessions_exhausted(principal: str, limit: int) -> MeshError:
    """QUOTA_EXCEEDED for the number of sessions."""
    message = f"There are {limit} sessions already, which is the limit; delete one."
    return _quota_exceeded(Quota("sessions", limit, f"principal:{principal}"), message, SESSIONS_RETRY_SECONDS)


def open_runs_exhausted(principal: str, limit: int) -> MeshError:
    """QUOTA_EXCEEDED for the number of runs that have not ended."""
    message = f"{limit} runs have not ended yet, which is the limit; wait for one of them or cancel it."
    return _quota_exceeded(Quota("concurrent_runs", limit, f"principal:{principal}"), message, RUNS_RETRY_SECONDS)


def tokens_exhausted(principal: str, limit: int) -> MeshError:
    """QUOTA_EXCEEDED for the tokens of a day, with the time until midnight."""
    message = f"The {limit} tokens of this day are used up; the next day begins at 00:00 UTC."
    midnight = (today() + 1) * DAY_SECONDS
    quota = Quota("tokens_per_day", limit, f"principal:{principal}")
    return _quota_exceeded(quota, message, max(1.0, midnight - time.time()))


def _quota_exceeded(quota: Quota, message: str, retry_after: float) -> MeshError:
    return MeshError(reasons.ERROR_REASON_QUOTA_EXCEEDED, message, quota=quota, retry_after=retry_after)
