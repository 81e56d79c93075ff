"""`helm install` in a real cluster: pods run, tasks are answered, agents scale, and neither upgrades nor deaths lose anything."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from meshwright.client import Mesh, RunFinished, RunOutcome, TextDelta
from tests.kubernetes import docker
from tests.kubernetes.node import HOST
from tests.model_script import Tokens
from tests.model_server import ModelServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kubernetes.cluster import Cluster
    from tests.kubernetes.metrics import Metrics
    from tests.kubernetes.release import Release

pytestmark = pytest.mark.timeout(900)
STREAMS = 50
TOKENS = 400
SCALE_SECONDS = 180.0


@pytest.fixture(scope="module", autouse=True)
def installed(release: Release, cluster: Cluster) -> Iterator[None]:
    """The release, for all tests of this file; afterwards nothing of it is left."""
    tell("helm install until everything is ready", release.install())
    yield
    tell("helm uninstall", release.uninstall())
    left = cluster.get("all,networkpolicies,configmaps,serviceaccounts", "--selector=app.kubernetes.io/name=meshwright")
    cluster.wait_until(lambda: not release.pods("agent"), SCALE_SECONDS, "the pods are gone")
    assert [each["metadata"]["name"] for each in left["items"] if each["kind"] != "Pod"] == []


def tell(what: str, seconds: float) -> None:
    print(f"\n{what}: {seconds:.1f} s")


def test_the_readmes_task_is_answered_through_the_gateway(release: Release) -> None:
    done = release.run("run", "Open http://mesh-web:8084/demo/ and tell me what the desk lamp costs")
    assert (done.returncode, "$49.00" in done.stdout) == (0, True), done.stdout + done.stderr


def test_helm_test_runs_a_task(cluster: Cluster) -> None:
    assert "Succeeded" in cluster.helm("test", "mesh")


def test_agents_scale_with_their_work(release: Release, cluster: Cluster, metrics: Metrics) -> None:
    def agents() -> int:
        return len(release.pods("agent"))

    assert agents() == 2
    metrics.share = 3.0
    tell("2 to 10 agents", cluster.wait_until(lambda: agents() == 10, SCALE_SECONDS, "10 agents"))
    metrics.share = 0.05
    tell("10 to 2 agents", cluster.wait_until(lambda: agents() == 2, SCALE_SECONDS, "2 agents"))


async def follow(mesh: Mesh) -> list[int]:
    """Give a task and follow it to its end; the sequences of the session as a later reader sees them."""
    session = await mesh.create_session()
    stream = session.run("talk", model="openai:scripted")
    seen = [event.sequence async for event in stream]
    kept = [event async for event in session.events(follow=False)]
    end = kept[-1]
    assert isinstance(end, RunFinished)
    assert end.outcome is RunOutcome.COMPLETED
    assert any(isinstance(event, TextDelta) for event in kept)
    assert seen == sorted(set(seen))
    return [event.sequence for event in kept]


async def test_a_run_survives_the_death_of_its_agents(release: Release, cluster: Cluster) -> None:
    """Both pods are killed one after the other while it works, without a farewell."""
    async with ModelServer(Tokens(TOKENS, 0.02), release.model_port, HOST), Mesh(release.address) as mesh:
        running = asyncio.create_task(follow(mesh))
        for pod in release.pods("agent"):
            await asyncio.to_thread(
                cluster.kubectl, "delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force"
            )
            await asyncio.to_thread(
                cluster.wait_until, lambda: ready(release) == 2, SCALE_SECONDS, "2 agents are ready"
            )
        sequences = await asyncio.wait_for(running, SCALE_SECONDS)
    assert sequences == list(range(1, len(sequences) + 1))


async def test_upgrade_and_rollback_drop_no_stream(release: Release) -> None:
    async with ModelServer(Tokens(TOKENS, 0.1), release.model_port, HOST), Mesh(release.address) as mesh:
        for what, change in (("upgrade", lambda: release.upgrade(docker.NEXT)), ("rollback", release.rollback)):
            running = [asyncio.create_task(follow(mesh)) for _ in range(STREAMS)]
            tell(f"helm {what} under {STREAMS} streams", await asyncio.to_thread(change))
            for sequences in await asyncio.wait_for(asyncio.gather(*running), SCALE_SECONDS):
                assert sequences == list(range(1, len(sequences) + 1))


def ready(release: Release) -> int:
    conditions = [condition for pod in release.pods("agent") for condition in pod["status"].get("conditions", [])]
    return sum(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
