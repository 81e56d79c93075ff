"""What every benchmark is given."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.mesh import running_mesh

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractAsyncContextManager

    from tests.bench.mesh import BenchMesh


@dataclass(frozen=True, slots=True)
class Scene:
    """The surroundings of one run of the benchmarks."""

    model_url: str
    """Base URL of the scripted model, which has a process of its own."""
    page_url: str
    """A page of 300 cards; `?wait=1` lets it take a second."""
    quick: bool
    """Measure little: to see that it works, not to believe it."""

    def mesh(self, **settings: str) -> AbstractAsyncContextManager[BenchMesh]:
        """A mesh of one's own."""
        return running_mesh(self.model_url, **settings)

    def rounds(self, usual: int, seconds: float) -> Iterator[int]:
        """So many rounds, or one in a quick run; fewer once they have taken so many seconds, so that a slow machine ends too."""
        begun = time.monotonic()
        for number in range(self.many(usual, 1)):
            if number and time.monotonic() - begun > seconds:
                return
            yield number

    def many(self, usual: int, quick: int) -> int:
        """How often to do something."""
        return quick if self.quick else usual
