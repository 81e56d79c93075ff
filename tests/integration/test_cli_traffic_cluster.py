"""`meshwright traffic --kubernetes` against an API server of the tests and gateways with a real Envoy."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from typing import TYPE_CHECKING

import grpc
import pytest
from structlog.testing import capture_logs

from meshwright.cli.traffic import in_cluster
from meshwright.cli.traffic.kubeconfig import find_cluster
from meshwright.cli.traffic.release import open_release
from meshwright.gateway import pod_report
from meshwright.gateway.wanted import Wanted
from meshwright.serving.address import Address
from tests.support.cluster_gateways import LIMIT, gateway_pod, pod, release_api, traffic, weight
from tests.support.gateway_mesh import GetAgent, Upstream, unary
from tests.support.kubernetes_api import NAME, NAMESPACE, KubernetesApi

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from structlog.typing import EventDict

    from meshwright.gateway.gateway import Gateway


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    """What the gateways log, which is thereby not among what the command says."""
    with capture_logs() as lines:
        yield lines


@pytest.fixture
async def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logs: list[EventDict]) -> AsyncIterator[KubernetesApi]:
    monkeypatch.setattr(in_cluster, "LOOK_SECONDS", 0.01)
    async with release_api(tmp_path, monkeypatch) as api:
        yield api


@pytest.fixture
async def tracks(tmp_path: Path) -> AsyncIterator[Address]:
    """An agent on each track; the canary's address."""
    upstreams = [Upstream(name, Address(path=str(tmp_path / f"{name}.sock"))) for name in ("agent", "canary")]
    async with contextlib.AsyncExitStack() as stack:
        for upstream in upstreams:
            await upstream.start()
            stack.push_async_callback(upstream.stop)
        yield upstreams[1].address


async def answers(gateway: Gateway, calls: int = 5) -> set[bytes]:
    async with grpc.aio.insecure_channel(gateway.address) as channel:
        return {await unary(channel, GetAgent) for _ in range(calls)}


async def test_weights_are_shown_set_and_rolled_back_in_all_gateways(
    api: KubernetesApi, tmp_path: Path, tracks: Address
) -> None:
    async with gateway_pod(api, tmp_path, "one", tracks) as one, gateway_pod(api, tmp_path, "two", tracks) as two:
        code, said = await traffic("show")
        assert (code, said.splitlines()[:2]) == (0, ["stable 90 %, canary 10 %.", "In force in 2 of 2 gateways."])
        code, said = await traffic("rollback")
        assert (code, "there is nothing to roll back to" in said) == (2, True)

        for percent in (50, 100):
            code, said = await traffic("set", str(percent))
            assert code == 0, said
            found = re.fullmatch(
                r"stable (\d+) %, canary (\d+) %, in force in 2 of 2 gateways after [\d.]+ s\. Open streams .*\n", said
            )
            assert found is not None, said
            assert (int(found[1]), int(found[2])) == (100 - percent, percent)
        assert await answers(one) | await answers(two) == {b"canary"}
        code, said = await traffic("show")
        assert re.match(r"stable 0 %, canary 100 % since 20.*, before that canary 50 %\.\n", said), said

        for percent in (50, 10):
            code, said = await traffic("rollback")
            assert (code, said.partition(",")[0]) == (0, f"stable {100 - percent} %"), said
        assert (await traffic("set", "0"))[0] == 0
        assert await answers(one) | await answers(two) == {b"agent"}


async def test_the_split_is_told_as_the_gateways_counted_it(
    api: KubernetesApi, tmp_path: Path, tracks: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pod_report, "REFRESH_SECONDS", 0.05)
    async with gateway_pod(api, tmp_path, "one", tracks) as one, gateway_pod(api, tmp_path, "two", tracks) as two:
        assert (await traffic("set", "100"))[0] == 0
        assert await answers(one, 3) | await answers(two, 4) == {b"canary"}
        async with asyncio.timeout(LIMIT):
            while "Of 7 calls since then, as counted 0 s ago, 7 (100.0%)" not in (said := (await traffic("show"))[1]):
                assert "since then" in said


async def test_a_shift_that_one_gateway_refuses_is_taken_back_in_all(
    api: KubernetesApi, tmp_path: Path, tracks: Address
) -> None:
    await api.put(weight(0))
    async with gateway_pod(api, tmp_path, "one", tracks) as one, gateway_pod(api, tmp_path, "two", None):
        code, said = await traffic("set", "100")
        assert (code, said) == (
            1,
            "Nothing changed, stable 100 %, canary 0 %:\n"
            "two: stable 100 %, canary 0 %, since this gateway has no canary track: set MESHWRIGHT_AGENT_CANARY_ADDRESS for it.\n",
        )
        async with asyncio.timeout(LIMIT):
            while (await traffic("show"))[0] != 0:
                pass
        assert await answers(one) == {b"agent"}


async def test_a_gateway_that_says_nothing_is_named(
    api: KubernetesApi, tmp_path: Path, tracks: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_cluster, "PATIENCE", 1.0)
    # Those that end or have not started are not waited for.
    api.pods += [pod("mute"), pod("leaving", leaving=True), pod("starting", started=False)]
    async with gateway_pod(api, tmp_path, "one", tracks) as one:
        code, said = await traffic("set", "100")
        assert code == 5
        assert "canary 100 % is asked for, and in force in 1 of 2 gateways" in said
        assert "from mute;" in said
        assert await answers(one) == {b"canary"}
        code, said = await traffic("show")
        assert (code, "In force in 1 of 2 gateways.\n" in said) == (1, True)
        assert "mute: it has not said yet what is in force.\n" in said


async def test_what_holds_no_weights_is_shown_and_can_be_set_anew(
    api: KubernetesApi, tmp_path: Path, tracks: Address
) -> None:
    async with gateway_pod(api, tmp_path, "one", tracks):
        await api.put({"traffic.json": '{"canary_weight": 1000}'})
        code, said = await traffic("show")
        assert (code, said.splitlines()[0]) == (1, "one: stable 90 %, canary 10 %.")
        assert f"traffic.json of the ConfigMap {NAMESPACE}/{NAME} does not hold weights: 1000 is no percentage" in said
        assert (await traffic("set", "20"))[0] == 0


async def test_what_kubectl_patched_is_a_weight_like_any_other(
    api: KubernetesApi, tmp_path: Path, tracks: Address
) -> None:
    async with gateway_pod(api, tmp_path, "one", tracks):
        await api.put(weight(40))
        async with asyncio.timeout(LIMIT):
            while (await traffic("show"))[0] != 0:
                pass
        assert (await traffic("set", "70"))[0] == 0
        code, said = await traffic("rollback")
        assert (code, said.partition(",")[0]) == (0, "stable 60 %")


async def test_a_change_in_the_same_moment_is_seen_before_the_next_one_is_made(api: KubernetesApi) -> None:
    async with open_release(find_cluster(None), None, "mesh") as release:
        others: list[asyncio.Task[None]] = []

        def change(wanted: Wanted) -> Wanted:
            if not others:
                others.append(asyncio.create_task(api.put(weight(30, revision=4, since=1.0, history=[10]))))
            return wanted.changed_to(50)

        changed = await release.change(change)
        assert (changed.former.canary_weight, changed.wanted.history) == (30, (10, 30))
        assert json.loads(api.configmaps[NAME]["traffic.json"])["canary_weight"] == 50
        await asyncio.gather(*others)


async def test_gateways_that_end_meanwhile_are_told(api: KubernetesApi) -> None:
    api.pods.append(pod("mute"))
    shifting = asyncio.create_task(traffic("set", "50"))
    async with asyncio.timeout(LIMIT):
        while '"canary_weight": 50' not in api.configmaps[NAME]["traffic.json"]:  # noqa: ASYNC110  # the server just keeps it
            await asyncio.sleep(0.005)
    api.pods.clear()
    code, said = await shifting
    assert (code, "No gateway of the release runs" in said) == (5, True)


async def test_a_shift_that_somebody_else_undoes_at_once_is_told(api: KubernetesApi) -> None:
    api.pods.append(pod("mute"))
    shifting = asyncio.create_task(traffic("set", "50"))
    async with asyncio.timeout(LIMIT):
        while '"canary_weight": 50' not in api.configmaps[NAME]["traffic.json"]:  # noqa: ASYNC110  # the server just keeps it
            await asyncio.sleep(0.005)
    await api.put(weight(0))
    assert await shifting == (
        1,
        "Somebody else changed the weights at the same time: stable 100 %, canary 0 % is asked for now.\n",
    )
