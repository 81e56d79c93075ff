"""A run and the sub-agents that work for it: where each stands, and what all of them together may use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshwright.agent.ending import overspent
from meshwright.store.usage import add_usage
from meshwright.v1.run_pb2 import Usage

if TYPE_CHECKING:
    from meshwright.serving.errors import MeshError
    from meshwright.v1.run_pb2 import Run


class Member:
    """A run of a family. What it has used are its own steps and those of sub-agents whose results it has."""

    def __init__(self, run: Run, parent: Member | None = None) -> None:
        self.run = run
        self.path: tuple[str, ...] = (*parent.path, run.run_id) if parent is not None else ()
        """Run ids from the root's child down to this one; empty for the root."""
        self._parent = parent
        self._at_work: set[Member] = set()
        if parent is not None:
            parent._at_work.add(self)  # noqa: SLF001 - of the same class

    @property
    def is_root(self) -> bool:
        """Nobody delegated it."""
        return self._parent is None

    @property
    def depth(self) -> int:
        """How many runs stand above it."""
        return len(self.path)

    def spent(self) -> Usage:
        """What the run has used with the sub-agents that are at work."""
        total = Usage()
        total.CopyFrom(self.run.usage)
        for child in self._at_work:
            add_usage(total, child.spent())
        return total

    def overspent(self) -> MeshError | None:
        """BUDGET_EXHAUSTED where the run, or one above it, has used up its tokens or money."""
        member: Member | None = self
        while member is not None:
            if (error := overspent(member.run.spec.options, member.spent())) is not None:
                return error
            member = member._parent  # noqa: SLF001 - of the same class
        return None

    def take_in(self, child: Member) -> None:
        """Count what a sub-agent that has ended used as the run's own; whoever calls this stores the run next."""
        self._at_work.discard(child)
        add_usage(self.run.usage, child.run.usage)
