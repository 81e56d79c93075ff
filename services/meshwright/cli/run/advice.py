"""Errors in words for people: what happened, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meshwright.client import MeshError

NEXT_STEPS = {
    "MODEL_AUTHENTICATION": "Check the key of the model's provider where the mesh runs, then start the mesh anew.",
    "MODEL_NOT_FOUND": "Choose another one with --model, or with MESHWRIGHT_MODEL where the mesh runs.",
    "MODEL_RATE_LIMITED": "Try again later, or choose another model with --model.",
    "MODEL_UNAVAILABLE": "Try again later, or choose another model with --model.",
    "SESSION_NOT_FOUND": "`meshwright sessions` lists the ones that are there.",
    "RUN_EXPIRED": "Give it more time with --timeout, or make the task smaller.",
    "STEP_LIMIT_REACHED": "Make the task smaller; in the same session (--session) the next run knows what was found.",
    "NO_BROWSER_AVAILABLE": "Wait for other runs, or raise MESHWRIGHT_BROWSER_CAPACITY where the mesh runs.",
    "UNAUTHENTICATED": "Set MESHWRIGHT_TOKEN to a token, or MESHWRIGHT_TOKEN_FILE to a file that has one; who runs the mesh knows where to "
    "get it.",
    "QUOTA_EXCEEDED": "Who runs the mesh sets the limits: MESHWRIGHT_QUOTA_SESSIONS, _RUNS, _TOKENS_PER_DAY, _LEASES.",
    "SESSION_BUSY": "Wait for the session's active run, or cancel it.",
}


def advice(error: MeshError) -> str:
    """The error's message and, where one is known, the next step."""
    parts = [error.message]
    if error.violations and "invalid" not in error.message:
        parts += [f"{violation.field} {violation.description}" for violation in error.violations]
    if error.reason in NEXT_STEPS:
        parts.append(NEXT_STEPS[error.reason])
    if "error_id" in error.metadata:
        parts.append(f"The mesh's log has more under {error.metadata['error_id']}.")
    return "\n".join(parts)
