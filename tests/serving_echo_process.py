"""The echo service as a process: `python -m tests.serving_echo_process`, told by MESHWRIGHT_* variables."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from meshwright.serving.process import run
from meshwright.serving.server import Service
from meshwright.serving.settings import ServerSettings
from meshwright.serving.startup import StartupError
from tests.serving_echo import SERVICE, Echo, register

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from meshwright.serving.health import Readiness


@asynccontextmanager
async def open_echo(_readiness: Readiness) -> AsyncIterator[Echo]:
    """The service's parts: none."""
    yield Echo()


def main() -> int:
    """The exit code of the service."""
    try:
        settings = ServerSettings.load()
    except StartupError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return run(Service(SERVICE, register, open_echo), settings)


if __name__ == "__main__":
    sys.exit(main())
