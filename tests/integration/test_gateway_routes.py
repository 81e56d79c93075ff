"""Routes change while Envoy runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from meshwright.gateway.render import render_routes
from meshwright.gateway.routes import ONE_TARGET_EACH, Target, publish_routes
from tests.support.gateway_mesh import GetAgent, running_mesh

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.gateway_mesh import Mesh

# The tools cluster stands in for a canary of the agent's.
ALL_TO_CANARY = {**ONE_TARGET_EACH, "agent": (Target("agent", 0), Target("tools", 100))}


def routes_directory(runtime_dir: Path) -> Path:
    (directory,) = runtime_dir.glob("gateway-*/routes")
    return directory


def entries(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def answers(mesh: Mesh, name: bytes) -> None:
    async with asyncio.timeout(30):
        while await mesh.unary(GetAgent) != name:  # noqa: ASYNC110  # the file system has nothing to await
            await asyncio.sleep(0.001)


async def test_new_weights_hold_for_new_calls_while_open_streams_stay(tmp_path: Path) -> None:
    async with running_mesh(tmp_path) as mesh:
        watch = mesh.watch()
        assert await watch.read() == b"0"

        mesh.gateway.publish_routes(ALL_TO_CANARY)
        await answers(mesh, b"tools")
        mesh.agent.tick.set()
        async with asyncio.timeout(30):
            assert await watch.read() == b"1"

        mesh.gateway.publish_routes()
        await answers(mesh, b"agent")


async def test_weights_share_calls_out(tmp_path: Path) -> None:
    half = {**ONE_TARGET_EACH, "agent": (Target("agent", 50), Target("tools", 50))}
    async with running_mesh(tmp_path) as mesh:
        mesh.gateway.publish_routes(half)
        await answers(mesh, b"tools")
        calls = [await mesh.unary(GetAgent) for _ in range(200)]
        assert 50 < calls.count(b"tools") < 150


@pytest.mark.parametrize(
    ("good", "broken"),
    [("timeout: 15s", "timeout: soon"), ('domains: ["*"]', "domains: [localhost]"), ("resources:", "resources: [")],
    ids=["of a wrong type", "refused by Envoy", "not even YAML"],
)
async def test_a_broken_route_file_changes_nothing_and_the_next_good_one_holds(
    tmp_path: Path, good: str, broken: str
) -> None:
    counters = ("http.ingress.rds.mesh.update_rejected", "http.ingress.rds.mesh.update_failure")
    async with running_mesh(tmp_path, runtime_dir=tmp_path) as mesh:
        directory = routes_directory(tmp_path)
        text = render_routes(mesh.settings)
        assert good in text
        publish_routes(directory, text.replace(good, broken))
        async with asyncio.timeout(30):
            while not any((await mesh.gateway.admin.stats(*counters)).values()):  # noqa: ASYNC110  # nothing to await
                await asyncio.sleep(0.01)
        assert await mesh.unary(GetAgent) == b"agent"
        mesh.gateway.publish_routes(ALL_TO_CANARY)
        await answers(mesh, b"tools")
        assert len(entries(directory)) == 2  # The link and what it points at.
