"""One trial: a fleet, runs, watchers, everything that goes wrong, and the verdict."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.json_format import MessageToJson

from meshwright.v1.event_pb2 import SteeringState
from meshwright.v1.run_pb2 import RunOutcome
from meshwright.v1.tool_pb2 import ToolOutcome
from tests.chaos import story
from tests.chaos.fleet import running_fleet
from tests.chaos.monkey import Monkey, schedule
from tests.chaos.spectators import Clients, Noted
from tests.chaos.verdict import Record, violations

if TYPE_CHECKING:
    from collections.abc import Sequence

RUNS_OF_A_SESSION = 2
WATCHERS = 2


class Plan(NamedTuple):
    """How much of everything."""

    seed: int
    runs: int
    rage_seconds: float
    """How long things go wrong; tasks are given evenly over this time."""
    patience: float
    """Seconds after which what has not ended never will."""


class Report(NamedTuple):
    """What came out."""

    plan: Plan
    seconds: float
    violations: Sequence[str]
    figures: Sequence[tuple[str, str]]

    def __str__(self) -> str:
        lines = [f"{name:<24} {figure}" for name, figure in self.figures]
        verdict = "nothing was lost, nothing happened twice" if not self.violations else "VIOLATIONS"
        return "\n".join([*lines, verdict, *self.violations])


async def trial(plan: Plan) -> Report:
    """Carry it out. The fleet's logs stay only where there are violations."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    began = time.monotonic()
    async with running_fleet(folder) as fleet:
        clients, monkey = Clients(fleet.stub, plan.seed), Monkey(fleet)
        async with asyncio.timeout(plan.patience), asyncio.TaskGroup() as going_on:
            going_on.create_task(monkey.rage(schedule(plan.seed, plan.rage_seconds)))
            sessions = [
                going_on.create_task(_session(clients, plan, number, fleet.page))
                for number in range(plan.runs // RUNS_OF_A_SESSION)
            ]
        records = [
            Record(noted, await clients.log(noted.session_id), await clients.runs(noted.session_id))
            for noted in (session.result() for session in sessions)
        ]
    found = violations(records, fleet, plan.seed) + [f"left behind: {command}" for command in fleet.left()]
    if found:
        _keep(records, folder)
        found.append(f"the logs of sessions and services are in {folder}")
    else:
        shutil.rmtree(folder)
    seconds = time.monotonic() - began
    return Report(plan, seconds, found, _figures(plan, seconds, records, clients, monkey))


async def _session(clients: Clients, plan: Plan, number: int, page: str) -> Noted:
    """A session of several runs, which wait for each other, and its watchers."""
    await asyncio.sleep(plan.rage_seconds * number * RUNS_OF_A_SESSION / plan.runs)
    stories = [number * RUNS_OF_A_SESSION + index for index in range(RUNS_OF_A_SESSION)]
    noted = Noted(number, await clients.session(number), stories)
    async with asyncio.TaskGroup() as watching:
        for each in stories:
            task = story.task(each, plan.seed, page)
            noted.runs.append(await clients.start(noted.session_id, each, task, twice=each % 3 == 0))
            watching.create_task(clients.meddle(noted, each))
            if len(noted.watchers) < WATCHERS:
                watching.create_task(clients.watch(noted, len(noted.watchers)))
    return noted


def _keep(records: Sequence[Record], folder: Path) -> None:
    """Write the logs of the sessions down, for whoever looks into what went wrong."""
    for record in records:
        lines = [MessageToJson(event, indent=None) for event in record.log]
        (folder / f"{record.noted.session_id}.jsonl").write_text("\n".join(lines))


def _figures(
    plan: Plan, seconds: float, records: Sequence[Record], clients: Clients, monkey: Monkey
) -> list[tuple[str, str]]:
    outcomes = Counter(RunOutcome.Name(run.outcome)[12:].lower() for record in records for run in record.runs)
    calls = Counter(
        ToolOutcome.Name(event.tool_call_finished.completion.outcome)[13:].lower()
        for record in records
        for event in record.log
        if event.HasField("tool_call_finished")
    )
    silences = sorted(silence for record in records for silence in _silences(record))
    return [
        ("seed", str(plan.seed)),
        ("runs", f"{sum(outcomes.values())} in {len(records)} sessions: {_shares(outcomes)}"),
        ("inputs", _shares(_inputs(records)) or "none"),
        ("events", str(sum(len(record.log) for record in records))),
        ("tool calls", _shares(calls)),
        ("went wrong", _shares(monkey.done)),
        ("takeovers", _quantiles(silences)),
        ("watchers", f"{sum(len(r.noted.watchers) for r in records)}, came back {clients.returns} times"),
        ("clients were refused", _shares(clients.refusals) or "never"),
        ("seconds", f"{seconds:.1f}"),
    ]


def _inputs(records: Sequence[Record]) -> Counter[str]:
    return Counter(
        SteeringState.Name(event.steering_receipt.state)[15:].lower()
        for record in records
        for event in record.log
        if event.HasField("steering_receipt")
    )


def _silences(record: Record) -> list[float]:
    """Seconds between the last event of a worker and the first of its successor."""
    last: dict[str, float] = {}
    silences = []
    for event in record.log:
        at = event.time.ToNanoseconds() / 1e9
        if event.HasField("run_started") and event.run_started.attempt > 1:
            silences.append(at - last[event.run_id])
        last[event.run_id] = at
    return silences


def _shares(counted: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counted.items()))


def _quantiles(values: Sequence[float]) -> str:
    if not values:
        return "none"
    p50, p90 = (values[int(len(values) * share)] for share in (0.5, 0.9))
    return f"{len(values)}; silence before one: p50 {p50:.1f} s, p90 {p90:.1f} s, longest {values[-1]:.1f} s"
