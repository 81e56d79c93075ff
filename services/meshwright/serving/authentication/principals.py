"""Principals: whose a session, a lease or a file is."""

from __future__ import annotations

import hashlib

LOCAL_PRINCIPAL = "local"
"""Everybody, where no authentication is configured."""
MESH_PRINCIPAL = "meshwright"
"""The mesh itself, for calls between services on nobody's behalf."""
RESERVED = frozenset({LOCAL_PRINCIPAL, MESH_PRINCIPAL})
"""No caller's token may claim these: what they own is not a caller's."""
MAX_PRINCIPAL_CHARS = 255
# Keys of the shared store set principals into braces.
FORBIDDEN = frozenset("{}")


def is_principal(name: object) -> bool:
    """Whether the name can be a principal's: up to 255 printable characters, no braces, no blanks at its ends."""
    return (
        isinstance(name, str)
        and 0 < len(name) <= MAX_PRINCIPAL_CHARS
        and name.isprintable()
        and name == name.strip()
        and FORBIDDEN.isdisjoint(name)
    )


def folder_of(principal: str) -> str:
    """The folder below which the principal's files lie, with a closing slash; empty for the local principal.

    A digest: names of principals have characters that names of files cannot have. No session's id begins with `@`.
    """
    if principal == LOCAL_PRINCIPAL:
        return ""
    return f"@{hashlib.sha256(principal.encode()).hexdigest()[:32]}/"
