"""The chart's network policies, enforced in a real cluster: the mesh works within them, and what they are to close is closed by them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.kubernetes.control_plane import PORT, SERVICE
from tests.kubernetes.figures import tell
from tests.kubernetes.image import image_of, libraries_of
from tests.kubernetes.machine import HOST, PUBLIC
from tests.kubernetes.reach import STRANGER_PORT, Address, listening, reached, stranger
from tests.kubernetes.release import redis_program
from tests.kubernetes.test_cluster_install import TASK
from tests.kubernetes.tracks import shift

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path

    from tests.kubernetes.cluster import Cluster
    from tests.kubernetes.release import Release
    from tests.kubernetes.versions import Version

pytestmark = pytest.mark.timeout(400)
REDIS = "meshwright.test/redis"
VALUES = (
    "--set=canary.enabled=true",
    "--set=metrics.enabled=true",
    "--set=browser.deletionCost.enabled=true",
    "--set=browser.replicas=2",
    '--set-json=metrics.from=[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"monitoring"}}}]',
    # Policies see the address of its servers, and not the Service's.
    f'--set-json=networkPolicy.apiServerTo=[{{"ipBlock":{{"cidr":"{HOST}/32"}}}}]',
    # The release's own, whose guard are the policies alone.
    "--set=redis.bundled=true",
    "--set=redis.url=",
    f"--set=redis.image.repository={REDIS}",
    "--set-string=redis.image.tag=1",
    "--set=redis.persistence.enabled=false",
    # Nobody is at work when it is uninstalled.
    "--set=tools.drain.lookup=0",
    "--set=browser.drain.lookup=0",
)
STRANGERS = {"neighbour": "default", "prometheus": "monitoring", "foreigner": "elsewhere"}
"""Pods of others, and their namespaces."""

MESH: dict[str, Address] = {
    "gateway": ("gateway", 8080),
    "agent": ("agent", 8081),
    "tools": ("tools", 8082),
    "browser": ("browser", 8083),
    "web": ("web", 8084),
    "redis": ("redis", 6379),
    "figures of the agent": ("agent", 9464),
    "figures of tools": ("tools", 9464),
    "figures of the browser": ("browser", 9464),
}
"""What there is to reach in the mesh: components and ports."""
AROUND: dict[str, Address] = {
    "names": (HOST, 53),
    "Kubernetes' API": (HOST, PORT),
    "Kubernetes' API by its Service": (SERVICE, 443),
    "the internet": (PUBLIC, 8000),
    "the internet by https": (PUBLIC, 443),
}
OPEN: dict[str, set[str]] = {
    "gateway": {"names", "agent", "tools", "browser", "web", "Kubernetes' API", "Kubernetes' API by its Service"},
    "agent": {"names", "tools", "browser", "redis", "model", "the internet by https"},
    "tools": {"names", "browser", "the internet by https"},
    "browser": {"names", "web", "the internet", "the internet by https"},
    "web": set(),
    "deletion-cost": {"figures of the browser", "Kubernetes' API", "Kubernetes' API by its Service"},
    "neighbour": {"gateway"},
    "prometheus": {"figures of the agent", "figures of tools", "figures of the browser"},
    "foreigner": set(),
}
"""Who reaches what. Of strangers it is what they reach of the mesh: its policies say nothing of the rest."""


@pytest.fixture(scope="module", autouse=True)
def installed(release: Release, cluster: Cluster, present: Version, previous: Version, folder: Path) -> Iterator[None]:
    """The release with everything that a policy speaks of, and strangers around it."""
    program = redis_program()
    cluster.node.load(image_of(program, f"{REDIS}:1", folder / "redis.tar", libraries_of(program)))
    # A label of its name is Kubernetes' own work.
    spaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": each}} for each in ("monitoring", "elsewhere")
    ]
    pods = [stranger(name, namespace, present.images[0]) for name, namespace in STRANGERS.items()]
    cluster.apply(*spaces, *pods)
    tag = f"--set=canary.image.tag={previous.tag}"
    tell("helm install within enforced policies", release.install(present, *VALUES, tag))
    for name, namespace in STRANGERS.items():
        cluster.kubectl("wait", "pod", name, f"--namespace={namespace}", "--for=condition=Ready", "--timeout=60s")
    yield
    release.uninstall()
    cluster.kubectl("delete", "pod", "neighbour")
    cluster.kubectl("delete", "namespace", "monitoring", "elsewhere", "--wait=false")


def first(release: Release, component: str) -> dict[str, Any]:
    """One pod of a component, the same each time."""
    return min(release.pods(component), key=lambda pod: str(pod["metadata"]["name"]))


def targets(release: Release) -> dict[str, Address]:
    """Everything that somebody could try to reach, by name."""
    pods = {component: first(release, component)["status"]["podIP"] for component, _ in MESH.values()}
    (node,) = release.cluster.get("nodes")["items"]
    neighbour = release.cluster.get("pod", "neighbour")["status"]["podIP"]
    return {
        **{name: (pods[component], port) for name, (component, port) in MESH.items()},
        **AROUND,
        "kubelet": (HOST, node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]),
        "model": (HOST, release.model_port),
        "a Redis of others": (HOST, release.redis_port),
        "neighbour": (neighbour, STRANGER_PORT),
    }


@asynccontextmanager
async def somebody_everywhere(release: Release) -> AsyncIterator[None]:
    """Have everything around the mesh answer."""
    async with listening((HOST, release.model_port), (PUBLIC, 8000), (PUBLIC, 443)):
        yield


async def reach(release: Release, all_targets: Mapping[str, Address]) -> dict[str, set[str]]:
    """Who reaches what, but itself."""
    pods: dict[str, tuple[str, str]] = {
        source: (source, STRANGERS[source])
        if source in STRANGERS
        else (first(release, source)["metadata"]["name"], "default")
        for source in OPEN
    }
    found = await asyncio.gather(*(reached(release.cluster, *pod, all_targets) for pod in pods.values()))
    return dict(zip(pods, found, strict=True))


def of_others(source: str, reached_by_it: set[str]) -> set[str]:
    """Without what is its own."""
    own = {name for name, (component, _) in MESH.items() if component == source} | {source}
    return reached_by_it - own


async def test_everybody_reaches_what_the_policies_open_and_nothing_else(release: Release) -> None:
    async with somebody_everywhere(release):
        found = await reach(release, targets(release))
    seen = {
        source: of_others(source, names) & MESH.keys() if source in STRANGERS else of_others(source, names)
        for source, names in found.items()
    }
    assert seen == OPEN


async def test_it_is_the_policies_that_close(release: Release, cluster: Cluster) -> None:
    everything = targets(release)
    async with somebody_everywhere(release):
        with cluster.node.without_policies():
            found = await reach(release, everything)
    assert found == {source: set(everything) for source in OPEN}


def test_the_readmes_task_is_answered_within_the_policies(release: Release) -> None:
    done = release.run("run", TASK)
    assert (done.returncode, "$49.00" in done.stdout) == (0, True), done.stdout + done.stderr


def test_helm_test_passes_within_the_policies(cluster: Cluster) -> None:
    assert "Succeeded" in cluster.helm("test", "mesh")


async def test_the_gateway_follows_the_canarys_weight_within_the_policies(release: Release, previous: Version) -> None:
    tell("a canary's new weight in force", await shift(release, previous, 50))
