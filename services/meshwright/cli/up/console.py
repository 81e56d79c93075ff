"""Telling things to a terminal that may be gone."""

from __future__ import annotations

import os
import sys
from typing import Any

from rich.console import Console


class LastingConsole(Console):
    """A console that falls silent when its terminal hangs up: the mesh must be stopped in order all the same."""

    def print(self, *objects: Any, **options: Any) -> None:
        """As Console.print; a terminal that is gone is no error."""
        try:
            super().print(*objects, **options)
        except OSError:
            silence = os.open(os.devnull, os.O_WRONLY)
            for stream in (sys.stdout, sys.stderr):
                os.dup2(silence, stream.fileno())
