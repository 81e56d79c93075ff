"""What `meshwright traffic --kubernetes` does: ask for weights in the release's ConfigMap, and tell what its gateways say of them."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from meshwright.cli.exit_codes import ExitCode
from meshwright.cli.traffic.kubeconfig import KubeconfigError, find_cluster
from meshwright.cli.traffic.release import ReleaseError, open_release
from meshwright.cli.traffic.words import STREAMS_STAY, Calls, calls_since, since, split, tell, weights
from meshwright.gateway.traffic import TrafficError
from meshwright.gateway.wanted import Wanted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from meshwright.cli.traffic.release import Gateway, Release, Seen

PATIENCE = 10.0
"""How long, in seconds, the gateways may take to say what became of a change."""
LOOK_SECONDS = 0.1


class Where(NamedTuple):
    """Which release is meant."""

    release: str
    namespace: str | None = None
    """That of the kubeconfig's context, if none."""
    context: str | None = None
    """The kubeconfig's current one, if none."""


def show(where: Where) -> int:
    """Print the weights, in which gateways they are in force, and the observed split; the exit code."""
    return _run(where, _show)


def set_weight(canary_weight: int, where: Where) -> int:
    """Change the canary's weight; the exit code."""
    return _run(where, lambda release: _change(release, lambda wanted: wanted.changed_to(canary_weight)))


def roll_back(where: Where) -> int:
    """Go back to the weights before the last change; the exit code."""
    return _run(where, lambda release: _change(release, Wanted.rolled_back))


def _run(where: Where, command: Callable[[Release], Awaitable[int]]) -> int:
    async def run() -> int:
        async with open_release(find_cluster(where.context), where.namespace, where.release) as release:
            return await command(release)

    try:
        return asyncio.run(run())
    except KubeconfigError as error:
        return tell(str(error), ExitCode.USAGE)
    except ReleaseError as error:
        return tell(str(error), error.exit_code)


async def _show(release: Release) -> int:
    seen = _need_gateways(await release.look())
    if isinstance(seen.wanted, TrafficError):
        for gateway in seen.gateways:
            sys.stdout.write(f"{gateway.pod}: {_in_force(gateway, and_why=False)}.\n")
        return tell(f"The last change is not in force: {seen.wanted}", ExitCode.FAILED)
    obeying = [gateway for gateway in seen.gateways if _obeys(gateway, seen.wanted)]
    sys.stdout.write(f"{weights(seen.wanted.canary_weight)}{since(seen.wanted)}.\n")
    sys.stdout.write(f"In force in {_some(len(obeying), seen.gateways)}.\n")
    if obeying:
        sys.stdout.write(f"{_split(obeying)}\n")
    others = [gateway for gateway in seen.gateways if gateway not in obeying]
    for gateway in others:
        tell(f"{gateway.pod}: {_in_force(gateway)}.", ExitCode.FAILED)
    return ExitCode.FAILED if others else ExitCode.OK


async def _change(release: Release, change: Callable[[Wanted], Wanted]) -> int:
    _need_gateways(await release.look())
    began = time.monotonic()
    try:
        changed = await release.change(change)
    except TrafficError as error:
        return tell(f"Nothing changed: {error}.", ExitCode.USAGE)
    seen = await _answered(release, changed.wanted)
    took = time.monotonic() - began
    wanted = changed.wanted
    if seen.wanted != wanted:
        return tell(_overtaken(seen.wanted), ExitCode.FAILED)
    _need_gateways(seen)
    refusing = [gateway for gateway in seen.gateways if _refuses(gateway, wanted)]
    if refusing:
        await release.change(lambda latest: latest.without(changed))
        causes = "\n".join(f"{gateway.pod}: {_in_force(gateway)}." for gateway in refusing)
        return tell(f"Nothing changed, {weights(changed.former.canary_weight)}:\n{causes}", ExitCode.FAILED)
    silent = [gateway.pod for gateway in seen.gateways if not _obeys(gateway, wanted)]
    if silent:
        return tell(
            f"{weights(wanted.canary_weight)} is asked for, and in force in {_some(len(seen.gateways) - len(silent), seen.gateways)}. "
            f"Not a word within {PATIENCE:g} s from {', '.join(silent)}; the log of each may say why.",
            ExitCode.UNREACHABLE,
        )
    where = _some(len(seen.gateways), seen.gateways)
    sys.stdout.write(f"{weights(wanted.canary_weight)}, in force in {where} after {took:.2f} s. {STREAMS_STAY}\n")
    return ExitCode.OK


async def _answered(release: Release, wanted: Wanted) -> Seen:
    """The release once each of its gateways has dealt with the change, somebody else changed it again, or the patience is over."""
    deadline = time.monotonic() + PATIENCE
    while True:
        seen = await release.look()
        dealt_with = [_obeys(gateway, wanted) or _refuses(gateway, wanted) for gateway in seen.gateways]
        if (dealt_with and all(dealt_with)) or seen.wanted != wanted or time.monotonic() > deadline:
            return seen
        await asyncio.sleep(LOOK_SECONDS)


def _need_gateways(seen: Seen) -> Seen:
    if not seen.gateways:
        raise ReleaseError("No gateway of the release runs: `kubectl get pods` says why.", ExitCode.UNREACHABLE)
    return seen


def _obeys(gateway: Gateway, wanted: Wanted) -> bool:
    report = gateway.report
    return report is not None and not report.error and report.canary_weight == wanted.canary_weight


def _refuses(gateway: Gateway, wanted: Wanted) -> bool:
    report = gateway.report
    return report is not None and bool(report.error) and report.revision == wanted.revision


def _in_force(gateway: Gateway, *, and_why: bool = True) -> str:
    if gateway.report is None:
        return "it has not said yet what is in force"
    error = f", since {gateway.report.error}" if gateway.report.error and and_why else ""
    return f"{weights(gateway.report.canary_weight)}{error}"


def _overtaken(wanted: Wanted | TrafficError) -> str:
    now = str(wanted) if isinstance(wanted, TrafficError) else f"{weights(wanted.canary_weight)} is asked for now"
    return f"Somebody else changed the weights at the same time: {now}."


def _some(some: int, gateways: tuple[Gateway, ...]) -> str:
    total = len(gateways)
    return f"{some} of {total} gateways" if total > 1 else f"{some} of 1 gateway"


def _split(gateways: list[Gateway]) -> str:
    reports = [gateway.report for gateway in gateways if gateway.report is not None]
    shares = [calls_since(report.counted, report.counted_now) for report in reports]
    calls = Calls(sum(it.stable for it in shares), sum(it.canary for it in shares))
    age = max(time.time() - min(report.at for report in reports), 0)
    return split(calls, f", as counted {age:.0f} s ago")
