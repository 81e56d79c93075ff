"""Following what is wanted of the traffic, for as long as the gateway runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import structlog

from meshwright.gateway.traffic import CANARY_CLUSTER, STABLE_CLUSTER, Traffic, TrafficError, TrafficReport

if TYPE_CHECKING:
    from meshwright.envoy.admin import Admin
    from meshwright.gateway.gateway import Gateway
    from meshwright.gateway.traffic import TrafficSource

log = structlog.get_logger(__name__)

CLUSTERS = (STABLE_CLUSTER, CANARY_CLUSTER)


def wanted_at_start(source: TrafficSource) -> tuple[Traffic, str]:
    """The weights to start with; where nobody can tell which, all to the stable track and why."""
    try:
        return source.current(), ""
    except TrafficError as error:
        log.error("all traffic goes to the stable track", cause=str(error))
        return Traffic(), str(error)


async def follow_traffic(gateway: Gateway, source: TrafficSource, *, error: str = "") -> None:
    """Put what the source wants into force, and report what became of it; for ever. `error` is that of the start."""
    revision = gateway.traffic.revision
    source.report(await _report(gateway, revision, error))
    async for wanted in source.changes():
        error = ""
        try:
            if isinstance(wanted, TrafficError):
                raise wanted
            revision = wanted.revision
            await gateway.shift(wanted)
            log.info("traffic shifted", canary_weight=wanted.canary_weight)
        except TrafficError as refused:
            error = str(refused)
            log.error("traffic stays as it was", cause=error, canary_weight=gateway.traffic.canary_weight)
        source.report(await _report(gateway, revision, error))


async def _report(gateway: Gateway, revision: int, error: str) -> TrafficReport:
    try:
        counted = await calls_of_tracks(gateway.admin)
    except OSError:
        # Without them all calls since the start are told; no reason to end the gateway.
        counted = {}
    weight = gateway.traffic.canary_weight
    return TrafficReport(revision, weight, error, counted, str(gateway.admin.socket), os.getpid())


async def calls_of_tracks(admin: Admin) -> dict[str, int]:
    """How many calls each track has had, by its cluster."""
    counters = {f"cluster.{cluster}.upstream_rq_total": cluster for cluster in CLUSTERS}
    return {counters[name]: value for name, value in (await admin.stats(*counters)).items()}
