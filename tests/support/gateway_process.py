"""The gateway in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from typing import TYPE_CHECKING

import psutil

from tests.support.own_words import within

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator
    from pathlib import Path

LIMIT = 60.0
SERVE = """
import sys
from meshwright.gateway.run import run
from meshwright.gateway.settings import GatewaySettings
sys.exit(run(GatewaySettings.load()))
"""


class GatewayProcess:
    """`run` in a process of its own, with what it says on standard error."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.said: list[str] = []

    async def address(self) -> str:
        """Read the log until the gateway listens."""
        assert self.process.stderr is not None
        async with within(LIMIT, lambda: "".join(self.said)):
            async for line in self.process.stderr:
                self.said.append(line.decode())
                if "address=" in self.said[-1]:
                    return self.said[-1].split("address=")[1].split()[0]
        raise AssertionError("".join(self.said))

    async def end(self) -> tuple[int | None, str]:
        """Wait for the exit code and everything that was said."""
        async with within(LIMIT, lambda: "".join(self.said)):
            _, rest = await self.process.communicate()
        return self.process.returncode, "".join(self.said) + rest.decode()

    def envoys(self) -> list[psutil.Process]:
        return [child for child in psutil.Process(self.process.pid).children(recursive=True) if child.is_running()]


@contextlib.asynccontextmanager
async def serving(directory: Path, **environment: str) -> AsyncIterator[GatewayProcess]:
    sockets = {
        f"MESHWRIGHT_{name}_ADDRESS": f"unix:{directory}/{name.lower()}.sock"
        for name in ("AGENT", "TOOLS", "BROWSER", "SITE")
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SERVE,
        env={**os.environ, "MESHWRIGHT_PORT": "0", "MESHWRIGHT_RUNTIME_DIR": str(directory), **sockets, **environment},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield GatewayProcess(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
