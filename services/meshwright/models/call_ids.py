"""The ids of tool calls.

Providers' own ids are not kept: some repeat `call_0` in every answer, some send none. A lane gives every call an id
of the mesh, unique across sessions, and derives from it what goes over the wire; a provider only needs call and
result to agree.
"""

from __future__ import annotations

import hashlib
import uuid


def new_call_id() -> str:
    """An id for a call that a model has just made."""
    return f"call_{uuid.uuid4().hex}"


def wire_call_id(call_id: str) -> str:
    """The id of the same call for the provider: nine letters and digits, the one form that every provider takes."""
    return hashlib.sha256(call_id.encode()).hexdigest()[:9]
