"""Telling things to a terminal that may be gone."""

from __future__ import annotations

import os
import sys
from typing import Any

from rich.console import Console

WIDTH_ELSEWHERE = 200
"""Columns of a log or a pipe."""


class LastingConsole(Console):
    """A console that falls silent when its terminal hangs up: the mesh must be stopped in order all the same."""

    def __init__(self) -> None:
        """On standard error. Where that is no terminal, lines are not broken to fit one."""
        super().__init__(stderr=True, width=None if sys.stderr.isatty() else WIDTH_ELSEWHERE)

    def print(self, *objects: Any, **options: Any) -> None:
        """As Console.print; a terminal that is gone is no error."""
        try:
            super().print(*objects, **options)
        except OSError:
            silence = os.open(os.devnull, os.O_WRONLY)
            for stream in (sys.stdout, sys.stderr):
                os.dup2(silence, stream.fileno())
