"""The tools of one server, by name."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from meshwright.serving.errors import MeshError
from meshwright.v1 import error_reason_pb2 as reasons

if TYPE_CHECKING:
    from collections.abc import Iterable

    from meshwright.tools.tool import Tool

NAME = re.compile(r"[a-z0-9_.]{1,64}")
NEAR_NAMES = 3


class Registry:
    """The tools of one server. It does not change once it is made.

    Raises ValueError when a name is malformed or taken twice, or when a description is missing: models choose by them.
    """

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in sorted(tools, key=lambda tool: tool.name):
            _check(tool)
            if tool.name in self._tools:
                raise ValueError(f"two tools are called {tool.name}")
            self._tools[tool.name] = tool
        self.all: tuple[Tool, ...] = tuple(self._tools.values())
        """Every tool, by name."""

    def get(self, name: str) -> Tool:
        """The tool of that name. Raises TOOL_NOT_FOUND with the names nearest to it."""
        tool = self._tools.get(name)
        if tool is None:
            near = difflib.get_close_matches(name, self._tools, n=NEAR_NAMES, cutoff=0.5)
            hint = f" Near names: {', '.join(near)}." if near else ""
            raise MeshError(
                reasons.ERROR_REASON_TOOL_NOT_FOUND,
                f"No tool is called {name}.{hint}",
                metadata={"tool": name, "near": ", ".join(near)},
            )
        return tool


def _check(tool: Tool) -> None:
    if not NAME.fullmatch(tool.name):
        raise ValueError(f"{tool.name!r} is not a tool's name")
    if not tool.description:
        raise ValueError(f"{tool.name} has no description")
    nameless = [name for name, field in tool.arguments.model_fields.items() if not field.description]
    if nameless:
        raise ValueError(f"{tool.name} has arguments without a description: {', '.join(nameless)}")
