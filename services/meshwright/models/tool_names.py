"""Tool names on the wire: what every provider allows are letters, digits, `_` and `-`, up to 64 of them, and no dots."""

from __future__ import annotations

import re
from collections.abc import Sequence

from meshwright.models.interface import ToolSchema

MAX_LENGTH = 64
_NOT_ALLOWED = re.compile(r"[^a-zA-Z0-9_-]")


class ToolNames:
    """The names of one request's tools, reversible: two tools never share a name on the wire."""

    def __init__(self, tools: Sequence[ToolSchema]) -> None:
        self._wire: dict[str, str] = {}
        self._mesh: dict[str, str] = {}
        for tool in tools:
            wire = _plain(tool.name)
            number = 2
            while wire in self._mesh:
                wire = f"{_plain(tool.name)[: MAX_LENGTH - 4]}_{number}"
                number += 1
            self._wire[tool.name] = wire
            self._mesh[wire] = tool.name

    def to_wire(self, name: str) -> str:
        """The name for the provider. One that is not offered any more gets a name of the same form."""
        return self._wire.get(name) or _plain(name)

    def to_mesh(self, wire: str) -> str:
        """The tool's own name; a name that was not offered comes back as it is."""
        return self._mesh.get(wire, wire)


def _plain(name: str) -> str:
    return _NOT_ALLOWED.sub("_", name)[:MAX_LENGTH]
