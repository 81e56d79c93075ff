"""ToolService in a process of its own with one tool that only waits: `python -m tests.bench.waiting_tools unix:/path`."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop
from pydantic import Field

from meshwright.serving.address import Address
from meshwright.serving.logs import configure_logs
from meshwright.serving.process import serve
from meshwright.tools.arguments import Arguments
from meshwright.tools.context import CallContext
from meshwright.tools.output import Output
from meshwright.tools.run import tools_service
from meshwright.tools.settings import ToolSettings
from meshwright.tools.tool import Annotations, tool

if TYPE_CHECKING:
    from collections.abc import Iterator


class WaitArguments(Arguments):
    """Arguments of bench.wait."""

    seconds: float = Field(description="How long to wait.")


@tool("bench.wait", Annotations(read_only=True))
async def wait(args: WaitArguments, call: CallContext) -> Output[WaitArguments]:
    """Waits."""
    await asyncio.sleep(args.seconds)
    return Output("done")


async def run(address: str, folder: str) -> None:
    """Serve until SIGTERM."""
    settings = ToolSettings.load(listen=address, data_dir=folder, log_level="warning", stop_grace=0.5)
    configure_logs(settings, "tools")
    await serve(tools_service(settings, [wait]), settings)


@contextmanager
def waiting_tools() -> Iterator[Address]:
    """Run the service for the block; gives where it listens."""
    with tempfile.TemporaryDirectory() as folder:
        address = Address(path=str(Path(folder) / "tools.sock"))
        command = [sys.executable, "-m", "tests.bench.waiting_tools", str(address), folder]
        with subprocess.Popen(command) as process:
            try:
                yield address
            finally:
                process.terminate()


if __name__ == "__main__":
    uvloop.run(run(*sys.argv[1:]))
