"""What a gateway in a cluster says of its weights, to operators: an entry of its own in a second ConfigMap.

The gateway may change that one and only read the first, so no gateway can shift anything. `meshwright traffic --kubernetes` reads both.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from lightkube.resources.core_v1 import ConfigMap
from lightkube.types import PatchType

from meshwright.envoy.admin import Admin
from meshwright.gateway.shifting import calls_of_tracks
from meshwright.serving.kubernetes import API_ERRORS, CALL_SECONDS, cause_of

if TYPE_CHECKING:
    from lightkube.core.async_client import AsyncClient

    from meshwright.gateway.traffic import TrafficReport

log = structlog.get_logger(__name__)

STATE_SUFFIX = "-state"
"""The second ConfigMap has the name of the first and this."""
REFRESH_SECONDS = 60.0
"""How often the counters are told anew."""
FIRST_PAUSE = 1.0
"""Before a second try; each next one is twice as long."""
FORGOTTEN_SECONDS = 600.0
"""After so long without a word from a pod, another one takes its entry away."""


@dataclass(frozen=True, slots=True)
class PodReport:
    """What became of the weights in one gateway."""

    revision: int
    """Of the change that was dealt with last."""
    canary_weight: int
    """In force."""
    error: str
    """Why that change is not in force; empty when it is."""
    counted: dict[str, int]
    """Calls of each track, by its cluster, until these weights came into force."""
    counted_now: dict[str, int]
    """Calls of each track until `at`."""
    at: float
    """When this was said, in Unix seconds of the gateway's clock."""


def pod_report_of(text: str) -> PodReport | None:
    """What an entry says; None where it is none."""
    try:
        return PodReport(**json.loads(text))
    except (ValueError, TypeError, RecursionError):
        return None


class PodReporter:
    """Says in the ConfigMap what became of each change, and once a minute how calls were shared out since then."""

    def __init__(self, client: AsyncClient, namespace: str, weights: str, pod: str) -> None:
        self._client = client
        self._namespace = namespace
        self._name = weights + STATE_SUFFIX
        self._pod = pod
        self._latest: TrafficReport | None = None
        self._news = asyncio.Event()
        self._forgotten: tuple[str, ...] = ()
        self._complaint = ""

    def tell(self, report: TrafficReport) -> None:
        """Have `run` say this as soon as it can."""
        self._latest = report
        self._news.set()

    async def run(self) -> None:
        """Say what is to be said, for ever. Whoever cannot be told is told later."""
        pause, next_pause = REFRESH_SECONDS, FIRST_PAUSE
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._news.wait()
            self._news.clear()
            if self._latest is None or await self._say(self._latest):
                pause, next_pause = REFRESH_SECONDS, FIRST_PAUSE
            else:
                pause, next_pause = next_pause, min(next_pause * 2, REFRESH_SECONDS)

    async def _say(self, latest: TrafficReport) -> bool:
        """Whether it could be said."""
        try:
            counted = await calls_of_tracks(Admin(Path(latest.admin_socket)))
        except OSError:
            counted = latest.counted
        report = PodReport(
            latest.revision, latest.canary_weight, latest.error, latest.counted, counted, round(time.time(), 3)
        )
        entries: dict[str, str | None] = dict.fromkeys(self._forgotten)
        entries[self._pod] = json.dumps(asdict(report))
        complaint = ""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                found = await self._client.patch(
                    ConfigMap, self._name, {"data": entries}, namespace=self._namespace, patch_type=PatchType.MERGE
                )
            self._forgotten = tuple(_forgotten(found.data or {}, report.at))
        except API_ERRORS as error:
            complaint = cause_of(error)
        if complaint and complaint != self._complaint:
            log.warning("operators are not told which weights are in force", configmap=self._name, cause=complaint)
        self._complaint = complaint
        return not complaint


def _forgotten(entries: dict[str, str], now: float) -> list[str]:
    reports = {pod: pod_report_of(text) for pod, text in entries.items()}
    return [pod for pod, report in reports.items() if report is not None and now - report.at > FORGOTTEN_SECONDS]
