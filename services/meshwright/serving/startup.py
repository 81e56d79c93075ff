"""Why a process cannot start, in words for the person who started it."""

from __future__ import annotations


class StartupError(Exception):
    """The process cannot start. The message says what is wrong and what to do; it is printed without a traceback."""

    exit_code = 2
