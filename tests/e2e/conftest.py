"""The mesh that the end-to-end tests share, started once by the real command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.mesh_process import mesh_process
from tests.support.ports import reserved_port
from tests.support.site_server import copied_demo, edit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.mesh_process import MeshProcess

LAMP = "price = 49.00"
"""The desk lamp's price, as it stands in the demo shop's catalogue."""


@pytest.fixture(scope="session")
def model_port() -> Iterator[int]:
    """Where the models called `openai:...` are: `async with ModelServer(script, model_port)`. Otherwise nothing is there."""
    with reserved_port() as port:
        yield port


@pytest.fixture(scope="session")
def demo_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo shop's files as the shared mesh serves them."""
    return copied_demo(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="session")
def mesh(tmp_path_factory: pytest.TempPathFactory, model_port: int, demo_dir: Path) -> Iterator[MeshProcess]:
    """A whole mesh whose default model is the offline planner. Tests that break something start one of their own."""
    with mesh_process(
        tmp_path_factory.mktemp("mesh"),
        MESHWRIGHT_SITE_DEMO_DIR=str(demo_dir),
        MESHWRIGHT_METRICS_ADDRESS="127.0.0.1:0",
        MESHWRIGHT_OPENAI_BASE_URL=f"http://127.0.0.1:{model_port}/v1",
    ) as running:
        yield running


@pytest.fixture
def dearer_lamp(demo_dir: Path) -> Iterator[None]:
    """The desk lamp costs $57.25 during the test."""
    catalogue = demo_dir / "catalogue.toml"
    edit(catalogue, LAMP, "price = 57.25")
    yield
    edit(catalogue, "price = 57.25", LAMP)
