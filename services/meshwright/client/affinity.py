"""Which session a call is about, for gateways that share sessions out between versions of the agent."""

from __future__ import annotations

import re

SESSION_KEY = "x-meshwright-session"
_ID = re.compile(r"[\x21-\x7e]{1,128}")


def session_metadata(session_id: str) -> tuple[tuple[str, str], ...]:
    """Metadata of a call about the session, so that all its calls go to one version; nothing without a session."""
    return ((SESSION_KEY, session_id),) if _ID.fullmatch(session_id) else ()
