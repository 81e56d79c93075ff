"""How the agent names what it makes."""

from __future__ import annotations

import uuid


def new_id(prefix: str) -> str:
    """A new identifier, such as `ses_1f0e...`."""
    return f"{prefix}_{uuid.uuid4().hex}"
