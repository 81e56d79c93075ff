"""What a lease was asked to be, with the service's defaults filled in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from meshwright.serving.calls import current_principal
from meshwright.serving.errors import MeshError

if TYPE_CHECKING:
    from google.protobuf.duration_pb2 import Duration

    from meshwright.browser.settings import BrowserSettings
    from meshwright.v1.browser_pb2 import LeaseSpec

DEFAULT = "default"
"""The one profile class and egress policy that there is."""
WAIT_SECONDS = 10.0
IDLE_SECONDS = 300.0
MAX_SECONDS = 3600.0
MAX_TABS = 8


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a lease. Times are in seconds."""

    width: int
    height: int
    storage_state: dict[str, Any] | None
    storage_state_path: str
    """Where the storage state stands in the request, for errors."""
    wait: float
    idle_timeout: float
    max_duration: float
    max_tabs: int
    principal: str
    """Whose it is."""
    session_id: str = ""
    profile: str = DEFAULT

    @classmethod
    def of(cls, spec: LeaseSpec, settings: BrowserSettings, *, path: str) -> Terms:
        """The current principal's terms, of a spec that keeps the contract's bounds; `path` is where it stands in the request.

        Raises INVALID_FIELDS for a profile or policy that nobody has configured and for a storage state that is none.
        """
        wrong = [
            (f"{path}.{field}", f"must be `{DEFAULT}` or empty: no other is configured")
            for field in ("profile", "egress_policy")
            if getattr(spec, field) not in ("", DEFAULT)
        ]
        state = None
        if spec.storage_state:
            state = _storage_state(spec.storage_state)
            if state is None:
                wrong.append((f"{path}.storage_state", "must be JSON of Playwright's storage state"))
        if wrong:
            raise MeshError.invalid_fields(wrong)
        limits = spec.limits
        return cls(
            width=spec.viewport.width or settings.browser_width,
            height=spec.viewport.height or settings.browser_height,
            storage_state=state,
            storage_state_path=f"{path}.storage_state",
            wait=_seconds(spec.wait) if spec.HasField("wait") else WAIT_SECONDS,
            idle_timeout=_seconds(limits.idle_timeout) or IDLE_SECONDS,
            max_duration=_seconds(limits.max_duration) or MAX_SECONDS,
            max_tabs=limits.max_tabs or MAX_TABS,
            principal=current_principal(),
            session_id=spec.session_id,
        )


def _seconds(duration: Duration) -> float:
    return duration.seconds + duration.nanos / 1e9


def _storage_state(data: bytes) -> dict[str, Any] | None:
    """The storage state, or None for anything that has not its shape."""
    try:
        state = json.loads(data)
    except ValueError:
        return None
    fine = (
        isinstance(state, dict)
        and state.keys() <= {"cookies", "origins"}
        and all(isinstance(each, dict) for part in state.values() if isinstance(part, list) for each in part)
        and all(isinstance(part, list) for part in state.values())
    )
    return {"cookies": [], "origins": [], **state} if fine else None
