"""The canary's weight of a release in a cluster, and what its gateways say of it, through Kubernetes' API."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import httpx2
from lightkube.core.async_client import AsyncClient
from lightkube.core.exceptions import ApiError, ConfigError
from lightkube.resources.core_v1 import ConfigMap, Pod
from lightkube.types import PatchType

from meshwright.cli.exit_codes import ExitCode
from meshwright.gateway.configmap import wanted_in
from meshwright.gateway.pod_report import STATE_SUFFIX, PodReport, pod_report_of
from meshwright.gateway.traffic import TrafficError
from meshwright.gateway.traffic_file import WANTED_FILE
from meshwright.gateway.wanted import Change, Wanted, begun_anew
from meshwright.serving.kubernetes import cause_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from lightkube.config.kubeconfig import SingleConfig

T = TypeVar("T")

ANSWER_SECONDS = 5.0
"""How long the API server may take for an answer."""
CALL_SECONDS = 30.0
"""And how long with what comes before: a plugin that logs somebody in may ask a person."""
TRIES = 10
"""How often a change is tried when others change the same at the same time."""
LONGEST_NAME = 40
"""Of objects' names, what the chart keeps of a release's."""
FIELD_MANAGER = "meshwright-traffic"
INSTANCE, COMPONENT, GATEWAY = "app.kubernetes.io/instance", "app.kubernetes.io/component", "gateway"
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT = 401, 403, 404, 409


class ReleaseError(Exception):
    """What was asked for cannot be done. The text is for the person who asked."""

    def __init__(self, text: str, exit_code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class Gateway(NamedTuple):
    """A pod whose gateway runs."""

    pod: str
    report: PodReport | None
    """What it said last; None where it never said anything."""


class Seen(NamedTuple):
    """A release at one moment."""

    wanted: Wanted | TrafficError
    """The weights that are asked for, or why nobody can tell."""
    gateways: tuple[Gateway, ...]


class Release:
    """One release with a canary. Methods raise ReleaseError."""

    def __init__(self, client: AsyncClient, namespace: str, name: str) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._weights = f"{name[:LONGEST_NAME].rstrip('-')}-traffic"

    async def look(self) -> Seen:
        """What is asked for, and what the gateways that run say of it."""
        found = await self._find()
        labels = (found.metadata.labels if found.metadata else None) or {}
        pods = await self._gateway_pods(labels.get(INSTANCE, self._name))
        state = await self._get(self._weights + STATE_SUFFIX)
        entries = (state.data if state else None) or {}
        return Seen(self._read(found), tuple(Gateway(pod, pod_report_of(entries.get(pod, ""))) for pod in pods))

    async def change(self, change: Callable[[Wanted], Wanted]) -> Change:
        """Ask for other weights, anew where somebody else did so at the same time. Raises TrafficError where `change` does."""
        for _ in range(TRIES):
            found = await self._find()
            former = self._read(found)
            if isinstance(former, TrafficError):
                former = begun_anew()
            wanted = change(former)
            if await self._write(wanted, found):
                return Change(former, wanted)
        raise ReleaseError(
            f"Nothing changed: others change the weights all the time, {TRIES} times in a row. Try again."
        )

    async def _find(self) -> ConfigMap:
        found = await self._get(self._weights)
        if found is not None:
            return found
        if await self._gateway_pods(self._name):
            raise ReleaseError(
                f"The release {self._name} in the namespace {self._namespace} has no canary track: install it with canary.enabled=true.",
                ExitCode.UNREACHABLE,
            )
        raise ReleaseError(
            f"There is no release {self._name} in the namespace {self._namespace}, or its fullnameOverride is to be named instead. "
            "`helm list --all-namespaces` lists releases; --namespace and --context say where to look.",
            ExitCode.UNREACHABLE,
        )

    async def _get(self, name: str) -> ConfigMap | None:
        try:
            return await self._answer(self._client.get(ConfigMap, name, namespace=self._namespace))
        except ApiError as error:
            if error.status.code == NOT_FOUND:
                return None
            raise _refusal(error) from error

    async def _gateway_pods(self, instance: str) -> list[str]:
        async def listed() -> list[Pod]:
            labels = {"app.kubernetes.io/name": "meshwright", INSTANCE: instance, COMPONENT: GATEWAY}
            return [pod async for pod in self._client.list(Pod, namespace=self._namespace, labels={**labels})]

        try:
            pods = await self._answer(listed())
        except ApiError as error:
            raise _refusal(error) from error
        return sorted(pod.metadata.name for pod in pods if _runs(pod) and pod.metadata and pod.metadata.name)

    async def _write(self, wanted: Wanted, found: ConfigMap) -> bool:
        """Whether nobody else has changed it since it was found."""
        patch = {
            "metadata": {"resourceVersion": found.metadata.resourceVersion if found.metadata else None},
            "data": {WANTED_FILE: json.dumps(asdict(wanted)) + "\n"},
        }
        try:
            await self._answer(
                self._client.patch(
                    ConfigMap, self._weights, patch, namespace=self._namespace, patch_type=PatchType.MERGE
                )
            )
        except ApiError as error:
            if error.status.code == CONFLICT:
                return False
            raise _refusal(error) from error
        return True

    def _read(self, found: ConfigMap) -> Wanted | TrafficError:
        try:
            return wanted_in(found, f"ConfigMap {self._namespace}/{self._weights}")
        except TrafficError as error:
            return error

    async def _answer(self, call: Awaitable[T]) -> T:
        """Raises ApiError where the API server says no."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await call
        except ApiError:
            raise
        except (ConfigError, FileNotFoundError) as error:
            # Also a program that it names for logging in.
            raise ReleaseError(f"The kubeconfig cannot be used: {error}", ExitCode.USAGE) from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, TimeoutError, ValueError) as error:
            server = self._client.config.cluster.server
            raise ReleaseError(
                f"The API server {server} does not answer: {cause_of(error)}. `kubectl get pods` would say the same.",
                ExitCode.UNREACHABLE,
            ) from error


@contextlib.asynccontextmanager
async def open_release(cluster: SingleConfig, namespace: str | None, name: str) -> AsyncIterator[Release]:
    """The release of the name, in the namespace or else that of the kubeconfig's context. Raises ReleaseError."""
    try:
        client = AsyncClient(config=cluster, timeout=httpx2.Timeout(ANSWER_SECONDS), field_manager=FIELD_MANAGER)
    except (ConfigError, OSError, ValueError) as error:
        raise ReleaseError(f"The kubeconfig cannot be used: {error}", ExitCode.USAGE) from error
    try:
        yield Release(client, namespace or cluster.namespace, name)
    finally:
        await client.close()


def _runs(pod: Pod) -> bool:
    """Whether its gateway has started and nobody has told it to stop."""
    if pod.metadata is None or pod.metadata.deletionTimestamp or pod.status is None:
        return False
    containers = pod.status.containerStatuses or []
    return any(it.name == GATEWAY and it.started and it.state and it.state.running for it in containers)


def _refusal(error: ApiError) -> ReleaseError:
    said = error.status.message or str(error)
    if error.status.code == UNAUTHORIZED:
        return ReleaseError(f"The API server does not take the kubeconfig's identity: {said}. Log in anew.")
    if error.status.code == FORBIDDEN:
        return ReleaseError(f"The API server refuses: {said}. docs/traffic.md has the Role that shifting takes.")
    return ReleaseError(f"The API server refuses: {said}.")
