"""How a service that calls another vouches for the principal on whose behalf it does.

Apart from the key itself, so that a process without authentication loads no cryptography.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meshwright.serving.authentication.mesh_key import MeshKey

_vouching: list[MeshKey] = []


@contextmanager
def vouching_with(key: MeshKey) -> Iterator[None]:
    """Have the process's calls to other services vouch with the key, for as long as the block."""
    _vouching.append(key)
    try:
        yield
    finally:
        _vouching.remove(key)


def voucher_for(principal: str) -> str:
    """The `authorization` of a call on the principal's behalf; empty where services do not authenticate."""
    return f"Bearer {_vouching[-1].token(principal)}" if _vouching else ""
