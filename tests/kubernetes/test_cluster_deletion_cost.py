"""When there are to be fewer browser pods those without leases go first, because the mesh says so, and it may say nothing else."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from meshwright.deletion_cost.pods import ANNOTATION
from meshwright.v1.browser_service_pb2_grpc import BrowserServiceStub
from tests.kubernetes.account import Account
from tests.kubernetes.figures import tell
from tests.support.browser_client import Driving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.kubernetes.cluster import Cluster
    from tests.kubernetes.release import Release
    from tests.kubernetes.versions import Version

pytestmark = pytest.mark.timeout(400)
SECONDS = 120.0
SHOP = "http://mesh-web:8084/demo/"
POLICY = "mesh-deletion-cost.default"
VALUES = (
    "--set=metrics.enabled=true",
    "--set=browser.replicas=3",
    "--set=browser.deletionCost.enabled=true",
    "--set=browser.drain.grace=120",
    "--set=browser.drain.lookup=5",
)


@pytest.fixture(scope="module", autouse=True)
def installed(release: Release, present: Version) -> Iterator[None]:
    """The release, with three browser pods."""
    tell("helm install with deletion costs until everything is ready", release.install(present, *VALUES))
    yield
    tell("helm uninstall until nothing is left", release.uninstall())


@pytest.fixture
def account(cluster: Cluster) -> Account:
    """That of the pod which sets costs."""
    return Account(cluster, "mesh-deletion-cost")


def costs(release: Release) -> dict[str, str | None]:
    """The deletion cost of each browser pod."""
    found = {pod["metadata"]["name"]: pod["metadata"] for pod in release.pods("browser")}
    return {name: metadata.get("annotations", {}).get(ANNOTATION) for name, metadata in found.items()}


@asynccontextmanager
async def leased(release: Release, pod: str) -> AsyncIterator[Driving]:
    """A browser of this pod that shows the shop, held by a stream."""
    (address,) = [it["status"]["podIP"] for it in release.pods("browser") if it["metadata"]["name"] == pod]
    async with grpc.aio.insecure_channel(f"{address}:8083") as channel:
        browser = Driving(BrowserServiceStub(channel))
        try:
            await browser.start()
            await browser.goto(SHOP)
            yield browser
        finally:
            browser.call.cancel()


async def scale(release: Release, count: int) -> None:
    """Wait until there are so many browser pods, all ready."""
    release.cluster.kubectl("scale", "deployment/mesh-browser", f"--replicas={count}")

    def there() -> bool:
        return len(release.pods("browser")) == release.ready("browser") == count

    await asyncio.to_thread(release.cluster.wait_until, there, SECONDS, f"{count} browser pods")


async def become(release: Release, expected: dict[str, str | None]) -> float:
    """Wait until these browser pods are there with these costs, and no others; how many seconds it took."""
    return await asyncio.to_thread(
        release.cluster.wait_until, lambda: costs(release) == expected, SECONDS, f"the costs are {expected}"
    )


@pytest.mark.parametrize("turn", ["first", "second"])
async def test_pods_without_a_lease_go_first_the_leased_one_be_it_the_youngest(release: Release, turn: str) -> None:
    await scale(release, 3)
    youngest = max(release.pods("browser"), key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
    kept = str(youngest["metadata"]["name"])
    async with leased(release, kept) as browser:
        none: dict[str, str | None] = dict.fromkeys(release.names("browser"))
        tell(f"from a pod's first lease to its cost, {turn}", await become(release, none | {kept: "1"}))
        for count in (2, 1):
            await scale(release, count)
            assert kept in release.names("browser"), f"the leased pod was taken among {count + 1}"
        assert "Desk lamp" in (await browser.snapshot()).text
        await browser.close()
    tell(f"from its last lease's end to none, {turn}", await become(release, {kept: None}))


def change(**metadata: Any) -> dict[str, Any]:
    return {"metadata": metadata}


@pytest.mark.parametrize("cost", ["1", "8", "9999", None])
def test_the_policy_lets_costs_of_browser_pods_through(release: Release, account: Account, cost: str | None) -> None:
    for pod in release.names("browser"):
        assert account.would_patch(pod, change(annotations={ANNOTATION: cost})).status == 200


REFUSED: list[tuple[dict[str, Any], str]] = [
    (change(annotations={ANNOTATION: "0"}), "A cost is a number of leases"),
    (change(annotations={ANNOTATION: "-1"}), "A cost is a number of leases"),
    (change(annotations={ANNOTATION: "10000"}), "A cost is a number of leases"),
    (change(annotations={"note": "hello"}), "No other annotation"),
    (change(annotations={ANNOTATION: "1", "note": "hello"}), "No other annotation"),
    (change(labels={"app.kubernetes.io/component": "agent"}), "Nothing but an annotation"),
    (change(labels={"note": "hello"}), "Nothing but an annotation"),
    (change(finalizers=["example.com/stay"]), "Nothing but an annotation"),
    ({"spec": {"containers": [{"name": "browser", "image": "other:1"}]}}, "Nothing but an annotation"),
    ({"spec": {"activeDeadlineSeconds": 1}}, "Nothing but an annotation"),
]


@pytest.mark.parametrize(("patch", "sentence"), REFUSED, ids=[str(patch) for patch, _ in REFUSED])
def test_the_policy_refuses_every_other_change(
    release: Release, account: Account, patch: dict[str, Any], sentence: str
) -> None:
    for pod in release.names("browser"):
        answer = account.would_patch(pod, patch)
        assert (answer.status, POLICY in answer.message, sentence in answer.message) == (403, True, True), answer


@pytest.mark.parametrize("component", ["agent", "tools", "gateway", "web", "deletion-cost"])
@pytest.mark.parametrize("patch", [{}, change(annotations={ANNOTATION: "1"})], ids=["nothing", "cost"])
def test_the_policy_keeps_other_pods_from_being_changed_and_from_being_read(
    release: Release, account: Account, component: str, patch: dict[str, Any]
) -> None:
    for pod in release.names(component):
        answer = account.would_patch(pod, patch)
        assert (answer.status, "Only browser pods of the release mesh" in answer.message) == (403, True), answer


def test_the_account_has_no_other_right(account: Account) -> None:
    may = [("patch", "pods"), ("list", "endpointslices.discovery.k8s.io")]
    verbs = ("get", "list", "watch", "create", "update", "delete")
    may_not = [(verb, what) for what in ("pods", "secrets", "configmaps") for verb in verbs]
    may_not += [("patch", what) for what in ("deployments.apps", "nodes", "services")]
    parts = [("create", "exec"), ("patch", "ephemeralcontainers"), ("patch", "status"), ("update", "resize")]
    assert [it for it in may + may_not if account.may(*it)] == may
    assert not [part for verb, part in parts if account.may(verb, "pods", part)]
