"""`make bench`: every benchmark in one go, as one table with ratios from one run.

python -m tests.bench [--only NAME ...] [--quick] [--markdown]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import uvloop
from rich.console import Console

from tests.bench import (
    bench_boundary,
    bench_calls,
    bench_jobs,
    bench_latency,
    bench_lease,
    bench_memory,
    bench_models,
    bench_start,
    bench_streaming,
    report,
)
from tests.bench.page_server import page_server
from tests.bench.scene import Scene
from tests.bench.table import Section, to_terminal
from tests.model_server import model_server_process

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

BENCHMARKS: dict[str, ModuleType] = {
    "start": bench_start,
    "lease": bench_lease,
    "jobs": bench_jobs,
    "calls": bench_calls,
    "latency": bench_latency,
    "streaming": bench_streaming,
    "memory": bench_memory,
    "boundary": bench_boundary,
    "models": bench_models,
}


async def measure(names: Sequence[str], scene: Scene, console: Console) -> list[Section]:
    """Run the benchmarks one after the other. One that fails is told of, and does not take the others' figures with it."""
    sections = []
    for name in names:
        begun = time.monotonic()
        console.print(f"{name} ...", style="dim", end=" ")
        try:
            rows = await BENCHMARKS[name].run(scene)
        except Exception:  # noqa: BLE001 (it is told of below and by the exit code)
            console.print("failed", style="red")
            console.print_exception()
            continue
        console.print(f"{time.monotonic() - begun:.0f} s", style="dim")
        method = " ".join((BENCHMARKS[name].__doc__ or "").split())
        sections.append(Section(name, method, tuple(rows)))
    return sections


def main() -> int:
    """Measure and report; the exit code tells whether every benchmark ran, not what it found."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measures the mesh.")
    parser.add_argument("--only", action="append", choices=BENCHMARKS, help="this one; may be given several times")
    parser.add_argument("--quick", action="store_true", help="measure little, to see that it works")
    parser.add_argument("--markdown", action="store_true", help="write docs/benchmarks.md")
    options = parser.parse_args()
    # A user's Python keeps its bytecode; a machine that forbids it would measure the compiler.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    load, _, _ = os.getloadavg()
    console = Console(stderr=True)
    with ExitStack() as stack:
        model_url = stack.enter_context(model_server_process())
        scene = Scene(model_url, stack.enter_context(page_server()), options.quick)
        names = options.only or list(BENCHMARKS)
        sections = uvloop.run(measure(names, scene, console))
    if sys.stdout.isatty():
        Console().print(to_terminal(sections))
    else:
        print(report.document(sections, load))
    if options.markdown and sections:
        report.write(sections, load)
        console.print("Written to docs/benchmarks.md")
    return 0 if len(sections) == len(names) else 1


if __name__ == "__main__":
    sys.exit(main())
