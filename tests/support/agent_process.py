"""An agent with its tools and its model in processes of their own, for programs that use it from outside."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tests.model_server import model_server_process
from tests.support.mesh_process import clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READY_SECONDS = 60.0


@contextlib.contextmanager
def agent_process(folder: Path, script: str = "tests.model_script:by_instruction", **settings: str) -> Iterator[str]:
    """The agent's address, once it listens. Its model echoes, and streams tokens as it is told, unless scripted otherwise."""
    with model_server_process(script) as base_url, contextlib.ExitStack() as stack:
        environment = clean_environment(
            MESHWRIGHT_DATA_DIR=str(folder),
            MESHWRIGHT_MODEL="openai:scripted",
            MESHWRIGHT_OPENAI_BASE_URL=base_url,
            MESHWRIGHT_TOOLS_ADDRESS=f"unix:{folder / 'tools.sock'}",
            MESHWRIGHT_STOP_GRACE="0.5",
            **{"MESHWRIGHT_HAND_OVER_GRACE": "0.2", **settings},
        )
        for service in ("tools", "agent"):
            path = folder / f"{service}.sock"
            log = stack.enter_context((folder / f"{service}.log").open("wb"))
            process = subprocess.Popen(
                [sys.executable, "-m", "meshwright.cli.serve", service],
                env={**environment, "MESHWRIGHT_LISTEN": f"unix:{path}"},
                stdout=log,
                stderr=log,
            )
            stack.callback(_end, process)
            _wait_listening(path, process)
        yield f"unix:{folder / 'agent.sock'}"


def _wait_listening(path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            probe.connect(str(path))
            return
        assert process.poll() is None, path.with_suffix(".log").read_text()
        assert time.monotonic() < deadline, f"nothing listens on {path}:\n{path.with_suffix('.log').read_text()}"
        time.sleep(0.02)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(READY_SECONDS)
