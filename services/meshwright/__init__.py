"""Meshwright: a gRPC mesh for AI agents.

`meshwright.client` is the SDK; the command line is `meshwright`. Everything else are the services behind the gateway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meshwright.client import Mesh as Mesh

__all__ = ["Mesh"]


def __getattr__(name: str) -> Any:
    # Importing a part of the package must not cost what the SDK costs.
    if name != "Mesh":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from meshwright.client import Mesh

    return Mesh
