"""Browsers in a real cluster: as many pods as leases ask for, and none that is leased is taken away."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from meshwright.client import BrowserAttached, BrowserDetached, Mesh, RunFinished, ToolCallFinished
from meshwright.v1.browser_pb2 import LeaseSpec
from meshwright.v1.browser_service_pb2_grpc import BrowserServiceStub
from tests.kubernetes.external_metrics import figure
from tests.kubernetes.figures import tell
from tests.kubernetes.machine import HOST
from tests.model_script import Call, Say, Tokens, in_turn
from tests.model_server import ModelServer
from tests.support.browser_client import Driving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.kubernetes.cluster import Cluster
    from tests.kubernetes.external_metrics import ExternalMetrics
    from tests.kubernetes.release import Release
    from tests.kubernetes.versions import Version

pytestmark = pytest.mark.timeout(400)
SECONDS = 120.0
SHOP = "http://mesh-web:8084/demo/"
VALUES = (
    "--set=metrics.enabled=true",
    "--set-json=browser.autoscaling="
    '{"enabled": true, "by": "external", "min": 1, "max": 3, "target": 70, "calm": 3, "pause": 1}',
    "--set=browser.drain.grace=120",
    "--set=browser.drain.lookup=5",
    # Chromium's own sandbox, without which the pods would end at once.
    "--set=browser.sandbox=on",
    "--set=browser.seccomp.type=Localhost",
    "--set-string=agent.settings.MESHWRIGHT_IDLE_BROWSER=1",
)


@pytest.fixture(scope="module", autouse=True)
def installed(release: Release, present: Version, external_metrics: ExternalMetrics) -> Iterator[None]:
    """The release, whose browsers scale with their leases."""
    tell("helm install until everything is ready", release.install(present, *VALUES))
    yield
    tell("helm uninstall until nothing is left", release.uninstall())


@asynccontextmanager
async def lease(release: Release) -> AsyncIterator[Driving]:
    """A browser that shows the shop, held by a stream through the gateway."""
    async with grpc.aio.insecure_channel(release.address) as channel:
        browser = Driving(BrowserServiceStub(channel))
        await browser.start(LeaseSpec(wait=Duration(seconds=60)))
        try:
            await browser.goto(SHOP)
            yield browser
        finally:
            browser.call.cancel()


def holder(release: Release) -> str:
    """The one pod that has a lease."""
    (name,) = [
        pod["metadata"]["name"]
        for pod in release.pods("browser")
        if figure(pod["status"]["podIP"], "meshwright_browser_leased")
    ]
    return str(name)


async def browsers(release: Release, count: int) -> float:
    """Wait until so many browser pods are there and ready; how many seconds it took."""

    def there() -> bool:
        return len(release.pods("browser")) == release.ready("browser") == count

    return await asyncio.to_thread(release.cluster.wait_until, there, SECONDS, f"{count} browser pods")


def leaving(cluster: Cluster, pod: str) -> bool:
    """Whether a pod was told to stop and has not ended; False when it is gone."""
    (*found,) = cluster.get("pods", f"--field-selector=metadata.name={pod}")["items"]
    assert all("deletionTimestamp" in each["metadata"] for each in found), f"{pod} was not told to stop"
    return bool(found)


async def gone(cluster: Cluster, pod: str) -> float:
    """Wait until a pod that was told to stop has ended; how many seconds it took."""
    return await asyncio.to_thread(cluster.wait_until, lambda: not leaving(cluster, pod), SECONDS, f"{pod} has ended")


async def test_a_run_keeps_its_browser_through_an_upgrade(release: Release, cluster: Cluster, present: Version) -> None:
    script = in_turn(
        Call("browser.open", {"url": SHOP}), [Tokens(250, 0.1), Call("browser.snapshot", {})], Say("It is still there.")
    )
    async with ModelServer(script, release.model_port, HOST) as model, Mesh(release.address) as mesh:
        session = await mesh.create_session()
        running = asyncio.create_task(_exhaust(session.run("look", model="openai:scripted")))
        await model.wait_requests(2, SECONDS)
        pod = holder(release)
        seconds = await asyncio.to_thread(release.upgrade, present, *VALUES, "--set=browser.podAnnotations.again=yes")
        tell("helm upgrade of a leased browser", seconds)
        assert not running.done(), "the run ended before the upgrade did"
        assert leaving(cluster, pod), "the leased browser did not outlive the upgrade"
        await asyncio.wait_for(running, SECONDS)
        # Those of browsers are the session's, and no run's.
        events = [event async for event in session.events(follow=False)]
    (end,) = [each for each in events if isinstance(each, RunFinished)]
    end.raise_for_outcome()
    assert [each.outcome for each in events if isinstance(each, ToolCallFinished)] == ["succeeded"] * 2
    assert sum(isinstance(each, BrowserAttached) for each in events) == 1
    assert not [each for each in events if isinstance(each, BrowserDetached) and each.error]
    tell("from the run's end to the end of its browser's pod", await gone(cluster, pod))


async def _exhaust(stream: AsyncIterator[object]) -> None:
    async for _ in stream:
        pass


async def test_browsers_scale_with_leases_and_a_leased_one_is_never_taken_away(
    release: Release, cluster: Cluster
) -> None:
    await browsers(release, 1)
    async with lease(release) as kept:
        async with lease(release):
            tell("1 to 2 browser pods, all leased", await browsers(release, 2))
            async with lease(release), lease(release):
                begun = time.monotonic()
                # All that the two pods have are leased: this one is of the third.
                async with lease(release):
                    tell("from asking for a browser of 2 full pods to having one of a third", time.monotonic() - begun)
                    await browsers(release, 3)
        pod = await _only_holder(release)
        # The one that Kubernetes would rather keep is not the one to try.
        cluster.kubectl("annotate", "pod", pod, "controller.kubernetes.io/pod-deletion-cost=-1")
        tell("3 to 1 browser pods", await browsers(release, 1))
        # Longer than everything but the grace takes.
        await asyncio.sleep(15)
        assert leaving(cluster, pod), "the leased browser was taken away"
        assert kept.lease.sandboxed
        assert "Desk lamp" in (await kept.snapshot()).text
        await kept.close()
    tell("from the end of the lease to the end of its pod", await gone(cluster, pod))


async def _only_holder(release: Release) -> str:
    """Wait until the other leases have been taken back."""

    def leased() -> float:
        return sum(figure(pod["status"]["podIP"], "meshwright_browser_leased") for pod in release.pods("browser"))

    await asyncio.to_thread(release.cluster.wait_until, lambda: leased() == 1, SECONDS, "one lease is left")
    return holder(release)
