"""Callers that go on to another replica when one refuses them with `MeshError(..., elsewhere=True)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshwright.serving.errors import ELSEWHERE_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable

    import grpc

ATTEMPT_KEY = "x-envoy-attempt-count"
"""Metadata key with which a caller says that it goes on, and how many replicas it has asked with this one. The gateway's Envoy sets it, and
replaces what its own callers say."""
MAX_ATTEMPTS = 150
"""Replicas that a caller asks at most. The longest wait for a browser, of a minute, takes 130 of them."""

MAX_SEARCHES = 17
"""Replicas that a caller asks at most for the one that holds a lease."""


def attempt_of(metadata: Iterable[tuple[str, str | bytes]] | None) -> int:
    """How many replicas the caller has asked with this one; 0 for one that asks no other."""
    for key, value in metadata or ():
        if key == ATTEMPT_KEY and isinstance(value, str) and value.isascii() and value.isdecimal():
            return int(value[:9])
    return 0


def may_ask_another(error: grpc.aio.AioRpcError) -> bool:
    """Whether the replica did nothing and says that another may be able to serve the call."""
    return any(key == ELSEWHERE_KEY for key, _value in error.trailing_metadata() or ())
