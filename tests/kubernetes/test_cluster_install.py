"""`helm install` in a real cluster: pods run, tasks are answered, agents scale with their work, and their deaths lose nothing."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from meshwright.client import Mesh
from tests.kubernetes.figures import tell, tell_of_containers
from tests.kubernetes.talk import follow, speaker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kubernetes.cluster import Cluster
    from tests.kubernetes.pod_metrics import PodMetrics
    from tests.kubernetes.release import Release
    from tests.kubernetes.versions import Version

pytestmark = pytest.mark.timeout(600)
TASK = "Open http://mesh-web:8084/demo/ and tell me what the desk lamp costs"
TOKENS = 400
SECONDS = 120.0


@pytest.fixture(scope="module", autouse=True)
def installed(release: Release, present: Version) -> Iterator[float]:
    """The release, for all tests of this file, and when its installation began; afterwards nothing of it is left."""
    began = time.monotonic()
    tell("helm install until everything is ready", release.install(present))
    yield began
    tell("helm uninstall until nothing is left", release.uninstall())


def test_the_readmes_task_is_answered_through_the_gateway(release: Release, installed: float) -> None:
    done = release.run("run", TASK)
    assert (done.returncode, "$49.00" in done.stdout) == (0, True), done.stdout + done.stderr
    tell("from helm install to the first answered task", time.monotonic() - installed)
    tell_of_containers(release.cluster)


def test_helm_test_runs_a_task(cluster: Cluster) -> None:
    assert "Succeeded" in cluster.helm("test", "mesh")


def test_agents_scale_with_their_work(release: Release, cluster: Cluster, pod_metrics: PodMetrics) -> None:
    def agents() -> int:
        return len(release.pods("agent"))

    assert agents() == 2
    pod_metrics.share = 3.0
    tell("2 to 10 agents", cluster.wait_until(lambda: agents() == 10, SECONDS, "10 agents"))
    cluster.wait_until(lambda: release.ready("agent") == 10, SECONDS, "10 agents are ready")
    pod_metrics.share = 0.05
    tell("10 to 2 agents", cluster.wait_until(lambda: agents() == 2, SECONDS, "2 agents"))


async def test_a_run_survives_the_death_of_its_agents(release: Release, cluster: Cluster) -> None:
    """Both pods are killed one after the other while it works, without a farewell."""
    async with speaker(release, TOKENS, 0.05) as model, Mesh(release.address) as mesh:
        running = asyncio.create_task(follow(mesh, TOKENS))
        await model.wait_requests(1, SECONDS)
        for pod in release.pods("agent"):
            await asyncio.to_thread(
                cluster.kubectl, "delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force"
            )
            await asyncio.to_thread(
                cluster.wait_until, lambda: release.ready("agent") == 2, SECONDS, "2 agents are ready"
            )
        await asyncio.wait_for(running, SECONDS)
        assert len(model.requests) > 1, "no agent died while it worked"
