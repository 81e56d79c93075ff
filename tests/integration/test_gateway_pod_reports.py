"""What gateways in a cluster say of their weights, in a ConfigMap of their own."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from meshwright.gateway import pod_report
from meshwright.serving.address import Address
from tests.support.cluster_gateways import LIMIT, gateway_pod, release_api, weight
from tests.support.kubernetes_api import STATE, KubernetesApi

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

CANARY = Address("127.0.0.1", 9)


@pytest.fixture
async def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KubernetesApi]:
    async with release_api(tmp_path, monkeypatch) as api:
        yield api


async def test_entries_of_pods_that_are_gone_are_taken_away(
    api: KubernetesApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pod_report, "REFRESH_SECONDS", 0.05)
    gone = {"revision": 1, "canary_weight": 10, "error": "", "counted": {}, "counted_now": {}, "at": 1.0}
    await api.put({"gone": json.dumps(gone), "note": "of somebody"}, STATE)
    async with gateway_pod(api, tmp_path, "one", CANARY), asyncio.timeout(LIMIT):
        while api.configmaps[STATE].keys() != {"one", "note"}:  # noqa: ASYNC110  # the server just keeps it
            await asyncio.sleep(0.005)


async def test_a_gateway_says_later_what_it_could_not_say_at_once(api: KubernetesApi, tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with gateway_pod(api, tmp_path, "one", CANARY):
            await api.delete(STATE)
            await api.put(weight(60, revision=9))
            async with asyncio.timeout(LIMIT):
                while "operators are not told which weights are in force" not in [it["event"] for it in logs]:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            await api.put({}, STATE)
            async with asyncio.timeout(LIMIT):
                while '"canary_weight": 60' not in api.configmaps[STATE].get("one", ""):  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
