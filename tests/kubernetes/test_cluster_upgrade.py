"""From the version before to this one and back again, in a real cluster, while people watch."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from meshwright.client import Mesh
from tests.kubernetes.figures import tell
from tests.kubernetes.talk import follow, speaker
from tests.kubernetes.tracks import share, shift

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.kubernetes.release import Release
    from tests.kubernetes.versions import Version

pytestmark = pytest.mark.timeout(600)
COMPONENTS = ("agent", "tools", "browser", "gateway", "web")
STREAMS = 50
TOKENS = 400
PAUSE = 0.1
SECONDS = 180.0
# Agents of 0.1.0 look names up again after 30 s only: for a way back to it pods serve on for longer than that.
LOOKUP = "--set=tools.drain.lookup=35"


@pytest.fixture(scope="module", autouse=True)
def installed(release: Release, previous: Version) -> Iterator[None]:
    """The version before, as its own chart installs it."""
    tell(f"helm install of {previous.tag}", release.install(previous))
    yield
    tell("helm uninstall until nothing is left", release.uninstall())


def tags(release: Release) -> set[str]:
    """Of the images that the pods run."""
    pods = [pod for component in COMPONENTS for pod in release.pods(component)]
    return {container["image"].rpartition(":")[2] for pod in pods for container in pod["spec"]["containers"]}


async def change_under_streams(release: Release, change: Callable[[], float]) -> float:
    """Change the release while people watch their runs; how many seconds it took."""
    async with speaker(release, TOKENS, PAUSE) as model, Mesh(release.address) as mesh:
        running = [asyncio.create_task(follow(mesh, TOKENS)) for _ in range(STREAMS)]
        await asyncio.to_thread(
            release.cluster.wait_until, lambda: len(model.requests) == STREAMS, SECONDS, "all runs are at work"
        )
        seconds = await asyncio.to_thread(change)
        assert not any(task.done() for task in running), "runs ended before the change did"
        await asyncio.wait_for(asyncio.gather(*running), SECONDS)
        assert len(model.requests) > STREAMS, "no run was handed over"
        return seconds


async def test_an_upgrade_and_a_rollback_drop_no_stream(release: Release, previous: Version, present: Version) -> None:
    assert tags(release) == {previous.tag}
    tell(
        f"helm upgrade to {present.tag} under {STREAMS} streams",
        await change_under_streams(release, lambda: release.upgrade(present, LOOKUP)),
    )
    assert tags(release) == {present.tag}
    tell(
        f"helm rollback to {previous.tag} under {STREAMS} streams",
        await change_under_streams(release, release.rollback),
    )
    assert tags(release) == {previous.tag}


async def test_a_new_version_gets_a_share_before_all_of_it(
    release: Release, previous: Version, present: Version
) -> None:
    """The chart first, with the former images and the new one as canary; then everything."""
    assert tags(release) == {previous.tag}
    former = [f"--set-string={image}.tag={previous.tag}" for image in ("image", "browser.image")]
    release.upgrade(present, *former, "--set=canary.enabled=true", f"--set-string=canary.image.tag={present.tag}")
    assert tags(release) == {previous.tag, present.tag}
    assert await share(release, present) == 0
    await shift(release, present, 50)
    release.upgrade(present)
    assert tags(release) == {present.tag}
    assert await share(release, present) == 100
