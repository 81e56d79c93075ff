"""A trial from the command line: `make chaos ARGS="--runs 200 --seed 4711"`."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys

from tests.chaos.trial import Plan, trial


def main() -> int:
    """Run trials; 1 where something was violated."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="runs of agents in all")
    parser.add_argument(
        "--seconds", type=float, default=0.0, help="how long things go wrong; 0: one second for each run"
    )
    parser.add_argument("--seed", type=int, default=0, help="0 picks one; the same seed goes wrong in the same way")
    options = parser.parse_args()
    seconds = options.seconds or float(options.runs)
    plan = Plan(options.seed or secrets.randbelow(1_000_000), options.runs, seconds, 2 * seconds + 120)
    sys.stdout.write(f"seed {plan.seed}: {plan.runs} runs, things go wrong for {seconds:g} s\n")
    sys.stdout.flush()
    report = asyncio.run(trial(plan))
    sys.stdout.write(f"{report}\n")
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
