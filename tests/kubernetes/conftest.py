from __future__ import annotations

import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.kubernetes import versions
from tests.kubernetes.certificate import self_signed
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.docker import daemon
from tests.kubernetes.external_metrics import ExternalMetrics
from tests.kubernetes.figures import tell
from tests.kubernetes.pod_metrics import PodMetrics
from tests.kubernetes.release import Release

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path


def pytest_configure() -> None:
    """Whoever ends the tests ends the cluster with them, also in the background, where shells have interrupts ignored."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails tells what became of the pods."""
    report = yield
    cluster = getattr(item, "funcargs", {}).get("cluster")
    if report.failed and isinstance(cluster, Cluster):
        try:
            story = cluster.story()
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            # A pod may have gone meanwhile. What failed is still to be told.
            story = f"it could not be told: {error}"
        report.sections.append(("cluster", story))
    return report


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kubernetes")


@pytest.fixture(scope="session")
def present() -> versions.Version:
    return versions.present()


@pytest.fixture(scope="session")
def previous() -> versions.Version:
    return versions.previous()


@pytest.fixture(scope="session")
def cluster(folder: Path, present: versions.Version, previous: versions.Version) -> Iterator[Cluster]:
    """A cluster that knows the images of both versions."""
    with daemon(folder):
        for version in (previous, present):
            version.build()
        began = time.monotonic()
        images = versions.archive([previous, present], folder / "images.tar")
        tell("saving the images", time.monotonic() - began)
    with Cluster() as cluster:
        began = time.monotonic()
        cluster.node.load(images)
        images.unlink()
        tell("loading the images", time.monotonic() - began)
        yield cluster


@pytest.fixture(scope="session")
def pod_metrics(cluster: Cluster, folder: Path) -> Iterator[PodMetrics]:
    metrics = PodMetrics(cluster, *self_signed(folder))
    metrics.start()
    yield metrics
    metrics.stop()


@pytest.fixture(scope="session")
def external_metrics(cluster: Cluster, folder: Path) -> Iterator[ExternalMetrics]:
    metrics = ExternalMetrics(cluster, *self_signed(folder))
    metrics.start()
    yield metrics
    metrics.stop()


@pytest.fixture(scope="session")
def release(cluster: Cluster, folder: Path) -> Iterator[Release]:
    release = Release(cluster, folder)
    release.prepare()
    yield release
    release.close()
