"""The Kubernetes API server as the process meets it that gives browser pods their deletion cost; and browser pods that tell their leases.

The chart's policy is held as far as its one annotation goes; a real API server holds it whole in `make e2e-k8s`.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from aiohttp import web

from meshwright.deletion_cost.pods import ANNOTATION
from meshwright.serving.address import Address
from tests.support.kubernetes_api import NAMESPACE, PODS, KubernetesApi, RefusedError, answer
from tests.support.ports import reserved_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SERVICE = "mesh-browser-metrics"
SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
LIMIT = 60.0


class BrowserPodsApi(KubernetesApi):
    """Has the pods that the test adds."""

    def __init__(self, account: Path, port: int) -> None:
        super().__init__(account, port)
        self.rights = frozenset({("list", "endpointslices", ""), ("patch", "pods", "")})
        self.costs: dict[str, str | None] = {}
        """The annotation of each pod."""
        self.patches: list[tuple[str, str | None]] = []
        """Each change that was asked for, in turn."""
        self.refusal = ""
        """What a policy says to all changes."""
        self._slices: dict[str, dict[str, Any]] = {}
        self._news = asyncio.Condition()

    def add(self, name: str, address: Address, **conditions: bool) -> None:
        """A pod, in a slice of its own because each has a port of its own here."""
        endpoint = {
            "addresses": [address.host],
            "conditions": {"ready": True, "serving": True, "terminating": False, **conditions},
            "targetRef": {"kind": "Pod", "name": name, "namespace": NAMESPACE},
        }
        ports = [{"name": "grpc", "port": 1}, {"name": "metrics", "port": address.port}]
        labels = {"kubernetes.io/service-name": SERVICE}
        self._slices[name] = {
            "metadata": {"name": name, "labels": labels},
            "addressType": "IPv4",
            "endpoints": [endpoint],
            "ports": ports,
        }
        self.costs.setdefault(name, None)

    def remove(self, name: str, *, slice_too: bool = True) -> None:
        """The pod is gone, and its address with it unless that lags behind."""
        del self.costs[name]
        if slice_too:
            del self._slices[name]

    def address_of(self, name: str) -> Address:
        """Where the pod's figures are."""
        found = self._slices[name]
        return Address(found["endpoints"][0]["addresses"][0], found["ports"][1]["port"])

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """See KubernetesApi."""
        router.add_get(SLICES, self._list_slices)
        router.add_patch(PODS + "/{name}", self._patch_pod)

    async def becomes(self, **costs: str | None) -> None:
        """Wait until these pods have these costs."""
        async with asyncio.timeout(LIMIT), self._news:
            await self._news.wait_for(lambda: costs.items() <= self.costs.items())

    async def patched(self, count: int) -> None:
        """Wait until so many more changes were asked for."""
        seen = len(self.patches)
        async with asyncio.timeout(LIMIT), self._news:
            await self._news.wait_for(lambda: len(self.patches) >= seen + count)

    async def looked(self, count: int) -> None:
        """Wait until the pods were asked for so many more times; all but the last look is over then."""
        seen = self._looks
        async with asyncio.timeout(LIMIT), self._news:
            await self._news.wait_for(lambda: self._looks >= seen + count)

    @property
    def _looks(self) -> int:
        return sum(it.startswith(SLICES) for it in self.asked)

    async def _list_slices(self, request: web.Request) -> web.Response:
        self._check(request, "list", "endpointslices")
        await self._announce_news()
        assert request.query["labelSelector"] == f"kubernetes.io/service-name={SERVICE}"
        kind = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSliceList", "metadata": {}}
        return answer({**kind, "items": list(self._slices.values())})

    async def _patch_pod(self, request: web.Request) -> web.Response:
        self._check(request, "patch", "pods")
        name = request.match_info["name"]
        assert request.content_type == "application/merge-patch+json"
        patch = await request.json()
        cost = patch["metadata"]["annotations"][ANNOTATION]
        assert patch == {"metadata": {"annotations": {ANNOTATION: cost}}}
        self.patches.append((name, cost))
        if name in self.costs and not self.refusal:
            self.costs[name] = cost
        await self._announce_news()
        if self.refusal:
            raise RefusedError(403, self.refusal)
        if name not in self.costs:
            raise RefusedError(404, f'pods "{name}" not found')
        return answer({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE}})

    async def _announce_news(self) -> None:
        async with self._news:
            self._news.notify_all()


@contextlib.asynccontextmanager
async def browser_pods_api(folder: Path) -> AsyncIterator[BrowserPodsApi]:
    """One that listens."""
    with reserved_port() as port:
        api = BrowserPodsApi(folder / "account", port)
        api.prepare()
        await api.start()
        try:
            yield api
        finally:
            await api.stop()
