"""Principals: whose a session, a lease or a file is."""

from __future__ import annotations

import hashlib
import re

LOCAL_PRINCIPAL = "local"
"""Everybody, where no authentication is configured."""
MESH_PRINCIPAL = "meshwright"
"""The mesh itself, for calls between services on nobody's behalf."""
RESERVED = frozenset({LOCAL_PRINCIPAL, MESH_PRINCIPAL})
"""No caller's token may claim these: what they own is not a caller's."""
MAX_PRINCIPAL_CHARS = 255
# Keys of the shared store set principals into braces.
FORBIDDEN = frozenset("{}")
HOME = re.compile(r"(@[0-9a-f]{32}/)?[a-z0-9_-]{1,64}")
"""What `home_of` gives."""


def is_principal(name: object) -> bool:
    """Whether the name can be a principal's: up to 255 printable characters, no braces, no blanks at its ends."""
    return (
        isinstance(name, str)
        and 0 < len(name) <= MAX_PRINCIPAL_CHARS
        and name.isprintable()
        and name == name.strip()
        and FORBIDDEN.isdisjoint(name)
    )


def home_of(principal: str, session_id: str) -> str:
    """Where a session's files are, relative to the place of all: below a folder of its principal's own.

    The local principal's are right there, so that a mesh without authentication stays as it is. The folder's name is a digest: names of
    principals have characters that names of files cannot have. No session's id begins with `@`.
    """
    if principal == LOCAL_PRINCIPAL:
        return session_id
    return f"@{hashlib.sha256(principal.encode()).hexdigest()[:32]}/{session_id}"
