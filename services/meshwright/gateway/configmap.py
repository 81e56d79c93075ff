"""Wanted weights in a ConfigMap: the gateway follows it through the API server, so that a shift does not wait for the kubelet."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, cast

import structlog
from lightkube.resources.core_v1 import ConfigMap

from meshwright.gateway.failure import GatewayError
from meshwright.gateway.pod_report import PodReporter
from meshwright.gateway.traffic import Traffic, TrafficError
from meshwright.gateway.traffic_file import WANTED_FILE, TrafficFile, report_to
from meshwright.gateway.wanted import Wanted, wanted_of
from meshwright.serving.kubernetes import API_ERRORS, CALL_SECONDS, IDENTITY, NoPodError, cause_of, client_of_pod

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

    from lightkube.core.async_client import AsyncClient

    from meshwright.gateway.traffic import TrafficReport

log = structlog.get_logger(__name__)

ONLY_WEIGHT = {"revision": 0, "since": 0.0, "history": ()}
"""What `kubectl patch` need not say."""
WATCH_SECONDS = 60.0
"""A watch is begun anew so often, in case its connection has died without anybody's being told."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0


class ConfigMapTrafficSource:
    """The TrafficSource of a gateway in a cluster.

    What became of the weights goes to the data folder, as from a file, and to operators.
    """

    def __init__(self, client: AsyncClient, namespace: str, name: str, folder: Path, reporter: PodReporter) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._reports = TrafficFile(folder)
        self._reporter = reporter
        self._last: Traffic | TrafficError = TrafficError(f"nobody has asked for the {self}")

    def __str__(self) -> str:
        return f"ConfigMap {self._namespace}/{self._name}"

    def current(self) -> Traffic:
        """See TrafficSource. What `look` found last."""
        if isinstance(self._last, TrafficError):
            raise self._last
        return self._last

    async def look(self) -> str:
        """Ask for the weights, in 5 s at most; the version that they have, empty where the API server does not say."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                found = await self._client.get(ConfigMap, self._name, namespace=self._namespace)
        except API_ERRORS as error:
            self._last = TrafficError(f"the {self} cannot be read: {cause_of(error)}")
            return ""
        self._last = self._read(found)
        return _version(found)

    async def changes(self) -> AsyncIterator[Traffic | TrafficError]:
        """See TrafficSource. A change is seen when the API server tells it, within milliseconds."""
        told, pause = self._last, FIRST_PAUSE
        while True:
            version = await self.look()
            if version:
                pause = FIRST_PAUSE
            elif not isinstance(told, TrafficError):
                # The weights stay in force; what cannot be read now may be read soon.
                log.warning("wanted weights are unknown for now", cause=str(self._last))
            if version and not _same(self._last, told):
                told = self._last
                yield told
            async for found in self._watched(version):
                if not _same(found, told):
                    told = found
                    yield told
            if not version:
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    def report(self, report: TrafficReport) -> None:
        """See TrafficSource."""
        report_to(self._reports, report)
        self._reporter.tell(report)

    async def _watched(self, version: str) -> AsyncIterator[Traffic | TrafficError]:
        """What the ConfigMap says from now on, for a minute at most."""
        if not version:
            return
        watch = self._client.watch(
            ConfigMap, namespace=self._namespace, fields={"metadata.name": self._name}, resource_version=version
        )
        until = asyncio.get_running_loop().time() + WATCH_SECONDS
        async with contextlib.aclosing(cast("AsyncGenerator[tuple[str, ConfigMap]]", watch)) as events:
            while True:
                try:
                    # Only the waiting has an end, not what is done with the news.
                    async with asyncio.timeout_at(until):
                        kind, found = await anext(events)
                except TimeoutError:
                    return
                except (*API_ERRORS, StopAsyncIteration) as error:
                    log.info("the watch is begun anew", cause=cause_of(error))
                    await asyncio.sleep(FIRST_PAUSE)
                    return
                # A deleted one is most often made anew in the next moment; until then the weights stay.
                if kind in {"ADDED", "MODIFIED"}:
                    self._last = self._read(found)
                    yield self._last

    def _read(self, found: ConfigMap) -> Traffic | TrafficError:
        try:
            return wanted_in(found, str(self)).traffic
        except TrafficError as error:
            return error


def wanted_in(found: ConfigMap, name: str) -> Wanted:
    """What the ConfigMap wants. Raises TrafficError, which names it."""
    return wanted_of((found.data or {}).get(WANTED_FILE, "{}"), f"{WANTED_FILE} of the {name}", ONLY_WEIGHT)


@contextlib.asynccontextmanager
async def open_configmap(
    where: str, folder: Path, identity: Path = IDENTITY, pod: str = ""
) -> AsyncIterator[ConfigMapTrafficSource]:
    """Follow the ConfigMap `where`, as `namespace/name`, with the identity of the pod. Raises GatewayError outside of one.

    `folder` exists. `pod` is the name of the pod, by default that of its host.
    """
    namespace, _, name = where.partition("/")
    try:
        client = client_of_pod(identity)
    except NoPodError as error:
        raise GatewayError(f"MESHWRIGHT_TRAFFIC_CONFIGMAP can be followed in a pod only: {error}") from error
    reporter = PodReporter(client, namespace, name, pod or socket.gethostname())
    reporting = asyncio.create_task(reporter.run(), name="report-traffic")
    try:
        source = ConfigMapTrafficSource(client, namespace, name, folder, reporter)
        await source.look()
        yield source
    finally:
        reporting.cancel()
        await asyncio.wait([reporting])
        await client.close()


def _version(found: ConfigMap) -> str:
    return (found.metadata.resourceVersion or "") if found.metadata else ""


def _same(one: Traffic | TrafficError, other: Traffic | TrafficError) -> bool:
    return str(one) == str(other) if isinstance(one, TrafficError) else one == other
