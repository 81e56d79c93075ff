"""The browser pods of a release, as Kubernetes' API has them: their addresses, and the cost of deleting one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from lightkube.core.exceptions import ApiError
from lightkube.resources.core_v1 import Pod
from lightkube.resources.discovery_v1 import EndpointSlice
from lightkube.types import PatchType

from meshwright.serving.kubernetes import CALL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lightkube.core.async_client import AsyncClient
    from lightkube.models.discovery_v1 import Endpoint

ANNOTATION = "controller.kubernetes.io/pod-deletion-cost"
"""By which Kubernetes chooses among ready pods: the lowest goes first, and without one it is 0."""
MOST = 9999
"""The highest cost that the chart's admission policy lets through."""
PORT = "metrics"
GONE = 404


class BrowserPod(NamedTuple):
    """A pod that serves."""

    name: str
    url: str
    """Where its figures are, without a path."""


class BrowserPods:
    """The pods behind a Service. Calls raise what is in API_ERRORS, within 5 s."""

    def __init__(self, client: AsyncClient, namespace: str, service: str) -> None:
        self._client = client
        self._namespace = namespace
        self._service = service

    async def serving(self) -> list[BrowserPod]:
        """Those that are ready and not told to stop. The others go before these whatever they cost."""
        found: dict[str, BrowserPod] = {}
        async with asyncio.timeout(CALL_SECONDS):
            slices = self._client.list(
                EndpointSlice, namespace=self._namespace, labels={"kubernetes.io/service-name": self._service}
            )
            async for each in slices:
                ports = [port.port for port in each.ports or [] if port.name == PORT and port.port is not None]
                for pod in _pods_at(each.endpoints or [], ports):
                    found[pod.name] = pod
        return list(found.values())

    async def set_cost(self, pod: str, cost: int) -> None:
        """Set the cost of deleting the pod, 0 to 9999, by its annotation alone. One that is gone is left alone."""
        patch = {"metadata": {"annotations": {ANNOTATION: str(cost) if cost else None}}}
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self._client.patch(Pod, pod, patch, namespace=self._namespace, patch_type=PatchType.MERGE)
        except ApiError as error:
            if error.status.code != GONE:
                raise


def _pods_at(endpoints: list[Endpoint], ports: list[int]) -> Iterator[BrowserPod]:
    for endpoint in endpoints:
        state, pod = endpoint.conditions, endpoint.targetRef
        leaving = state is not None and (state.serving is False or bool(state.terminating))
        if leaving or not ports or pod is None or not pod.name:
            continue
        address = endpoint.addresses[0]
        host = f"[{address}]" if ":" in address else address
        yield BrowserPod(pod.name, f"http://{host}:{ports[0]}")
