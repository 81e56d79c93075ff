"""Figures of samples and of processes."""

from __future__ import annotations

import time
from statistics import quantiles
from typing import TYPE_CHECKING, NamedTuple

import psutil

if TYPE_CHECKING:
    from collections.abc import Sequence

MIB = 2**20


def percentile(samples: Sequence[float], percent: int) -> float:
    """The value below which so many percent of the samples lie."""
    if len(samples) == 1:
        return samples[0]
    return quantiles(samples, n=100, method="inclusive")[percent - 1]


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used, all its threads together."""
    if psutil.LINUX:
        # The kernel's clock of another process counts nanoseconds; its entry in /proc counts hundredths of a second.
        return time.clock_gettime(~pid << 3 | 2)
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


class Memory(NamedTuple):
    """Memory of one or more processes in MiB."""

    rss: float
    """Resident; what several processes share is counted for each of them."""
    pss: float
    """Resident, with what is shared divided among those who share it; 0 where the system cannot tell."""


def memory(pid: int, *, tree: bool = True) -> Memory:
    """Memory of a process and, unless told otherwise, of all below it."""
    process = psutil.Process(pid)
    processes = [process, *process.children(recursive=True)] if tree else [process]
    rss = pss = 0.0
    for each in processes:
        try:
            full = each.memory_full_info()
        except psutil.NoSuchProcess:
            continue
        rss += full.rss / MIB
        pss += getattr(full, "pss", 0) / MIB
    return Memory(rss, pss)
