"""What `meshwright traffic` does: ask the running gateway for weights by its file, and tell what became of it."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from meshwright.cli.exit_codes import ExitCode
from meshwright.cli.traffic.words import STREAMS_STAY, calls_since, since, split, tell, weights
from meshwright.envoy.admin import Admin
from meshwright.gateway.shifting import calls_of_tracks
from meshwright.gateway.traffic import TrafficError
from meshwright.gateway.traffic_file import TrafficFile
from meshwright.serving.settings import default_data_dir

if TYPE_CHECKING:
    from collections.abc import Callable

    from meshwright.gateway.traffic import TrafficReport
    from meshwright.gateway.wanted import Change

PATIENCE = 5.0
"""How long, in seconds, the gateway may take to say what became of a change."""
LOOK_SECONDS = 0.02


class _NobodyThereError(Exception):
    """No gateway with a canary track runs with the data folder. The text is for the person who asked."""


def show(data_dir: Path | None) -> int:
    """Print the weights and the observed split; the exit code."""
    file = _file(data_dir)
    try:
        report = _running(file, data_dir)
        counted = asyncio.run(calls_of_tracks(Admin(Path(report.admin_socket))))
    except (_NobodyThereError, OSError) as error:
        return tell(str(error), ExitCode.UNREACHABLE)
    sys.stdout.write(f"{weights(report.canary_weight)}{_since(file, report)}.\n")
    sys.stdout.write(f"{split(calls_since(report.counted, counted))}\n")
    if report.error:
        return tell(f"The last change is not in force: {report.error}", ExitCode.FAILED)
    return ExitCode.OK


def set_weight(canary_weight: int, data_dir: Path | None) -> int:
    """Change the canary's weight; the exit code."""
    return _change(data_dir, lambda file: file.set(canary_weight))


def roll_back(data_dir: Path | None) -> int:
    """Go back to the weights before the last change; the exit code."""
    return _change(data_dir, lambda file: file.roll_back())


def _change(data_dir: Path | None, change: Callable[[TrafficFile], Change]) -> int:
    file = _file(data_dir)
    try:
        _running(file, data_dir)
        began = time.monotonic()
        changed = change(file)
        revision = changed.wanted.revision
        report = _wait_for(file, revision)
        took = time.monotonic() - began
    except _NobodyThereError as error:
        return tell(str(error), ExitCode.UNREACHABLE)
    except TrafficError as error:
        return tell(f"Nothing changed: {error}.", ExitCode.USAGE)
    if report.revision == revision and report.error:
        file.withdraw(changed)
        return tell(f"Nothing changed, {weights(report.canary_weight)}: {report.error}", ExitCode.FAILED)
    sys.stdout.write(f"{weights(report.canary_weight)}, in force after {took:.2f} s. {STREAMS_STAY}\n")
    return ExitCode.OK


def _file(data_dir: Path | None) -> TrafficFile:
    return TrafficFile((data_dir or default_data_dir()).expanduser().absolute())


def _running(file: TrafficFile, data_dir: Path | None) -> TrafficReport:
    report = file.read_report()
    if report is None or not _lives(report.pid) or not Path(report.admin_socket).exists():
        raise _NobodyThereError(
            f"No gateway with a canary track runs with the data folder {data_dir or default_data_dir()}. Start one with "
            "MESHWRIGHT_AGENT_CANARY_ADDRESS, or name its folder with --data-dir."
        )
    return report


def _wait_for(file: TrafficFile, revision: int) -> TrafficReport:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        report = file.read_report()
        if report is not None and report.revision >= revision:
            return report
        time.sleep(LOOK_SECONDS)
    raise _NobodyThereError(f"The gateway did not answer within {PATIENCE:g} s; its log may say why.")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _since(file: TrafficFile, report: TrafficReport) -> str:
    try:
        wanted = file.read()
    except TrafficError:
        return ""
    return since(wanted) if wanted.revision == report.revision else ""
