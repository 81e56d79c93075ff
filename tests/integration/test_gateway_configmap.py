"""In a cluster the gateway follows the canary's weight in a ConfigMap, through Kubernetes' API."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from meshwright.gateway import configmap
from meshwright.gateway.configmap import ConfigMapTrafficSource, open_configmap
from meshwright.gateway.failure import GatewayError
from meshwright.gateway.shifting import follow_traffic, wanted_at_start
from meshwright.gateway.traffic import Traffic, TrafficError
from meshwright.gateway.traffic_file import TrafficFile
from meshwright.serving.address import Address
from tests.support.gateway_mesh import GetAgent, Upstream, running_mesh
from tests.support.kubernetes_api import COLLECTION, NAME, NAMESPACE, KubernetesApi, kubernetes_api

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

WHERE = f"{NAMESPACE}/{NAME}"
LIMIT = 60.0


def weight(percent: int, **others: Any) -> dict[str, str]:
    return {"traffic.json": json.dumps({"canary_weight": percent, **others})}


@pytest.fixture
async def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KubernetesApi]:
    monkeypatch.setattr(configmap, "FIRST_PAUSE", 0.02)
    async with kubernetes_api(tmp_path) as api:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(api.port))
        await api.put(weight(10, revision=3))
        yield api


def opened(api: KubernetesApi, folder: Path) -> contextlib.AbstractAsyncContextManager[ConfigMapTrafficSource]:
    return open_configmap(WHERE, folder, api.account)


async def next_of(changes: AsyncIterator[Traffic | TrafficError]) -> Traffic | TrafficError:
    async with asyncio.timeout(LIMIT):
        return await anext(changes)


async def watched(api: KubernetesApi, times: int = 1) -> None:
    """Until so many watches were asked for."""
    async with asyncio.timeout(LIMIT):
        while sum("watch=true" in it for it in api.asked) < times:  # noqa: ASYNC110  # the server just counts
            await asyncio.sleep(0.005)


async def test_the_weights_of_the_start_and_each_change_are_seen_at_once(api: KubernetesApi, tmp_path: Path) -> None:
    async with opened(api, tmp_path) as source:
        assert source.current() == Traffic(10, 3)
        changes = source.changes()
        for percent in (50, 100, 0):
            waiting = asyncio.ensure_future(next_of(changes))
            await watched(api)
            began = time.monotonic()
            await api.put(weight(percent))
            assert await waiting == Traffic(percent)
            assert time.monotonic() - began < LIMIT / 4
    assert {it.partition("?")[0] for it in api.asked} == {f"{COLLECTION}/{NAME}", COLLECTION}


async def test_a_change_between_the_start_and_the_watch_is_not_missed(api: KubernetesApi, tmp_path: Path) -> None:
    async with opened(api, tmp_path) as source:
        await api.put(weight(50))
        assert await next_of(source.changes()) == Traffic(50)


async def test_what_holds_no_weights_is_told_and_the_next_change_holds(api: KubernetesApi, tmp_path: Path) -> None:
    async with opened(api, tmp_path) as source:
        changes = source.changes()
        endless, deep = '{"canary_weight": 1e999}', "[" * 100_000
        for wrong in (
            {"traffic.json": "{"},
            {"traffic.json": "{}"},
            weight(101),
            {"traffic.json": endless},
            {"traffic.json": deep},
            {},
        ):
            waiting = asyncio.ensure_future(next_of(changes))
            await watched(api)
            await api.put(wrong)
            told = await waiting
            assert isinstance(told, TrafficError)
            assert f"traffic.json of the ConfigMap {WHERE} does not hold weights" in str(told)
        await api.put(weight(20))
        assert await next_of(changes) == Traffic(20)


async def test_other_entries_and_annotations_change_nothing(api: KubernetesApi, tmp_path: Path) -> None:
    async with opened(api, tmp_path) as source:
        changes = source.changes()
        await api.put({**weight(10, revision=3), "note": "hello"})
        await api.put(weight(30))
        assert await next_of(changes) == Traffic(30)


async def test_an_api_server_that_was_away_tells_what_it_would_have_told(api: KubernetesApi, tmp_path: Path) -> None:
    async with opened(api, tmp_path) as source:
        changes = source.changes()
        waiting = asyncio.ensure_future(next_of(changes))
        await watched(api)
        await api.stop()
        await api.put(weight(40))
        await api.start()
        assert await waiting == Traffic(40)


async def test_a_watch_from_a_forgotten_version_is_begun_anew(api: KubernetesApi, tmp_path: Path) -> None:
    async with opened(api, tmp_path) as source:
        changes = source.changes()
        waiting = asyncio.ensure_future(next_of(changes))
        await watched(api)
        await api.forget()
        await watched(api, 2)
        await api.put(weight(60))
        assert await waiting == Traffic(60)


async def test_a_watch_whose_connection_died_in_silence_is_begun_anew(
    api: KubernetesApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configmap, "WATCH_SECONDS", 0.1)
    async with opened(api, tmp_path) as source:
        waiting = asyncio.ensure_future(next_of(source.changes()))
        await watched(api, 3)
        await api.put(weight(60))
        assert await waiting == Traffic(60)


async def test_a_token_that_the_kubelet_renews_is_taken_up(api: KubernetesApi, tmp_path: Path) -> None:
    async with opened(api, tmp_path) as source:
        api.rotate("second")
        await api.put(weight(70))
        assert await next_of(source.changes()) == Traffic(70)


async def test_a_deleted_one_leaves_the_weights_and_a_new_one_holds(api: KubernetesApi, tmp_path: Path) -> None:
    async with opened(api, tmp_path) as source:
        changes = source.changes()
        waiting = asyncio.ensure_future(next_of(changes))
        await watched(api)
        await api.delete()
        await api.put(weight(80))
        assert await waiting == Traffic(80)


async def test_a_gateway_starts_although_nobody_can_tell_and_follows_once_they_can(
    api: KubernetesApi, tmp_path: Path
) -> None:
    await api.delete()
    async with opened(api, tmp_path) as source:
        assert wanted_at_start(source) == (
            Traffic(),
            f'the ConfigMap {WHERE} cannot be read: configmaps "{NAME}" not found',
        )
        await api.put(weight(90))
        assert await next_of(source.changes()) == Traffic(90)


async def test_a_change_moves_the_sessions_of_a_running_gateway(api: KubernetesApi, tmp_path: Path) -> None:
    canary = Upstream("canary", Address(path=str(tmp_path / "canary.sock")))
    await canary.start()
    async with (
        opened(api, tmp_path) as source,
        running_mesh(tmp_path, agent_canary_address=canary.address) as mesh,
    ):
        following = asyncio.create_task(follow_traffic(mesh.gateway, source))
        await watched(api)
        await api.put(weight(100, revision=4))
        async with asyncio.timeout(LIMIT):
            while (report := TrafficFile(tmp_path).read_report()) is None or report.revision < 4:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        assert (report.canary_weight, report.error) == (100, "")
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = mesh.channel.unary_unary(GetAgent)
        assert await method(b"", timeout=LIMIT) == b"canary"
        following.cancel()
    await canary.stop()


async def test_outside_of_a_pod_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match="in a pod only"):
        async with open_configmap(WHERE, tmp_path, tmp_path / "nowhere"):
            pass


async def test_a_gateway_process_outside_of_a_pod_does_not_start(tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "MESHWRIGHT_DATA_DIR": str(tmp_path),
        "MESHWRIGHT_AGENT_CANARY_ADDRESS": "127.0.0.1:9",
        "MESHWRIGHT_TRAFFIC_CONFIGMAP": WHERE,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "meshwright.cli", "serve", "gateway", env=environment, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(LIMIT):
        _, said = await process.communicate()
    assert (process.returncode, "can be followed in a pod only" in said.decode()) == (2, True)
