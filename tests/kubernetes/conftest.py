from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.kubernetes import docker
from tests.kubernetes.certificate import self_signed
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.metrics import Metrics
from tests.kubernetes.release import Release

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kubernetes")


@pytest.fixture(scope="session")
def cluster(folder: Path) -> Iterator[Cluster]:
    with contextmanager(docker.daemon)(folder), Cluster() as cluster:
        images = docker.archive(folder / "images.tar")
        cluster.node.load(images)
        images.unlink()
        for name in docker.NAMES:
            cluster.node.tag(docker.reference(name, docker.version()), docker.reference(name, docker.NEXT))
        yield cluster


@pytest.fixture(scope="session")
def metrics(cluster: Cluster, folder: Path) -> Iterator[Metrics]:
    metrics = Metrics(cluster, *self_signed(folder))
    metrics.start()
    yield metrics
    metrics.stop()


@pytest.fixture(scope="session")
def release(cluster: Cluster, metrics: Metrics, folder: Path) -> Iterator[Release]:
    release = Release(cluster, folder, docker.version())
    release.prepare()
    yield release
    release.close()
