"""Docker: a daemon of its own where none runs, and its command line."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.kubernetes.program import Program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMAND = os.environ.get("DOCKER", "docker")
"""As in `make images DOCKER=...`."""
START_SECONDS = 60.0
ANSWER_SECONDS = 20.0
COMMAND_SECONDS = 600.0


@contextmanager
def daemon(folder: Path) -> Iterator[None]:
    """Have a Docker daemon, for as long as the context is entered."""
    if answers():
        yield
        return
    program = Program("dockerd", ["dockerd"], folder)
    try:
        program.wait_until(answers, START_SECONDS)
        yield
    finally:
        program.stop()


def docker(*words: str) -> str:
    """Run Docker's command line; what it printed."""
    done = subprocess.run([COMMAND, *words], check=False, capture_output=True, text=True, timeout=COMMAND_SECONDS)
    assert done.returncode == 0, f"{COMMAND} {' '.join(words)}:\n{done.stderr}"
    return done.stdout


def answers() -> bool:
    """Whether a daemon runs."""
    try:
        asked = subprocess.run([COMMAND, "info"], check=False, capture_output=True, timeout=ANSWER_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0
