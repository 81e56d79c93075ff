"""What `meshwright traffic` says, of a gateway here and of those in a cluster."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from meshwright.gateway.traffic import CANARY_CLUSTER, STABLE_CLUSTER

if TYPE_CHECKING:
    from meshwright.cli.exit_codes import ExitCode
    from meshwright.gateway.wanted import Wanted

STREAMS_STAY = "Open streams stay where they are."


class Calls(NamedTuple):
    """How many calls each track had."""

    stable: int = 0
    canary: int = 0


def weights(canary_weight: int) -> str:
    """Both, of the canary's."""
    return f"stable {100 - canary_weight} %, canary {canary_weight} %"


def since(wanted: Wanted) -> str:
    """Since when, and what was before; empty where nobody noted it."""
    if not wanted.since:
        return ""
    former = f", before that canary {wanted.history[-1]} %" if wanted.history else ""
    return f" since {datetime.fromtimestamp(wanted.since).astimezone():%Y-%m-%d %H:%M:%S}{former}"


def calls_since(before: dict[str, int], now: dict[str, int]) -> Calls:
    """Between two looks at the counters; one that is smaller now began anew."""
    return Calls(*(max(now.get(name, 0) - before.get(name, 0), 0) for name in (STABLE_CLUSTER, CANARY_CLUSTER)))


def split(calls: Calls, until: str = "") -> str:
    """How calls were shared out since the weights came into force, `until` some time before now."""
    total = calls.stable + calls.canary
    if not total:
        return f"No call since then{until}."
    return f"Of {total} calls since then{until}, {calls.canary} ({calls.canary / total:.1%}) went to the canary."


def tell(text: str, code: ExitCode) -> int:
    """Say it where messages go; the exit code."""
    sys.stderr.write(f"{text}\n")
    return code
