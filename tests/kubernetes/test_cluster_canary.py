"""Two versions of the agent behind one gateway in a real cluster: shifts without a restart, kept by upgrades, taken back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from meshwright.client import Mesh
from tests.kubernetes.figures import tell
from tests.kubernetes.talk import follow, speaker
from tests.kubernetes.tracks import CALLS, POINTS, answering, share, shift, weight_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kubernetes.cluster import Cluster
    from tests.kubernetes.release import Release
    from tests.kubernetes.versions import Version

pytestmark = pytest.mark.timeout(600)
STREAMS = 20
TOKENS = 200
SECONDS = 120.0


def canary(version: Version, weight: int) -> list[str]:
    """Values that put a version beside the first, behind two gateways."""
    return [
        "--set=canary.enabled=true",
        f"--set=canary.image.tag={version.tag}",
        f"--set=canary.weight={weight}",
        "--set=gateway.replicas=2",
    ]


@pytest.fixture(scope="module", autouse=True)
def installed(release: Release, present: Version, previous: Version) -> Iterator[None]:
    """This version, with the one before it as a canary that gets nothing yet."""
    tell("helm install with a canary", release.install(present, *canary(previous, 0)))
    yield
    tell("helm uninstall until nothing is left", release.uninstall())


async def test_a_patch_of_the_configmap_shifts_open_streams_aside_and_starts_no_pod(
    release: Release, previous: Version
) -> None:
    before = release.names("agent", "gateway")
    async with speaker(release, TOKENS, 0.1), Mesh(release.address) as mesh:
        running = [asyncio.create_task(follow(mesh, TOKENS)) for _ in range(STREAMS)]
        for weight in (10, 50, 100, 0):
            seconds = await shift(release, previous, weight)
            tell(f"{CALLS} calls shared out by the canary's new weight {weight}, counted after", seconds)
        assert not any(task.done() for task in running), "runs ended before the shifts did"
        await asyncio.wait_for(asyncio.gather(*running), SECONDS)
    assert release.names("agent", "gateway") == before


@pytest.mark.parametrize("weight", [0, 100])
async def test_testers_choose_their_track(release: Release, present: Version, previous: Version, weight: int) -> None:
    await shift(release, previous, weight)
    for track, version in (("stable", present), ("canary", previous)):
        assert set(await answering(release, 20, ("x-meshwright-track", track))) == {version.tag}


async def test_the_command_shifts_shows_and_takes_back(release: Release, previous: Version) -> None:
    await shift(release, previous, 0)
    done = release.command("traffic", "set", "30", "--kubernetes", "mesh")
    assert "in force in 2 of 2 gateways" in done.stdout, done.stdout + done.stderr
    assert abs(await share(release, previous) - 30) < POINTS
    said = release.cluster.kubectl("exec", "deployment/mesh-gateway", "--", "meshwright", "traffic", "show")
    assert "canary 30 %" in said
    shown = release.command("traffic", "show", "--kubernetes", "mesh")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "canary 30 %" in shown.stdout
    assert "In force in 2 of 2 gateways" in shown.stdout
    back = release.command("traffic", "rollback", "--kubernetes", "mesh")
    assert "canary 0 %" in back.stdout, back.stdout + back.stderr
    assert await share(release, previous) == 0


async def test_an_upgrade_keeps_what_was_shifted_until_its_value_changes(
    release: Release, cluster: Cluster, present: Version, previous: Version
) -> None:
    await shift(release, previous, 60)
    release.upgrade(present, *canary(previous, 0), "--set=commonLabels.team=agents")
    assert weight_of(cluster) == 60
    assert abs(await share(release, previous) - 60) < POINTS
    release.upgrade(present, *canary(previous, 20))
    assert weight_of(cluster) == 20
    release.rollback()
    # Of the revision that is gone back to.
    assert weight_of(cluster) == 60
    assert abs(await share(release, previous) - 60) < POINTS


@pytest.mark.parametrize(
    ("verb", "what", "may"),
    [
        ("get", "configmaps/mesh-traffic", "yes"),
        ("patch", "configmaps/mesh-traffic-state", "yes"),
        ("patch", "configmaps/mesh-traffic", "no"),
        ("list", "configmaps", "no"),
        ("get", "secrets", "no"),
        ("list", "pods", "no"),
    ],
)
def test_the_gateways_identity_may_follow_the_weight_and_nothing_else(
    cluster: Cluster, verb: str, what: str, may: str
) -> None:
    assert cluster.may("system:serviceaccount:default:mesh-gateway", verb, what) == may
