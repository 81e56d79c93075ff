"""Gateways that follow a ConfigMap, as pods of a release do, and the kubeconfig of somebody who shifts."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import yaml
from typer.testing import CliRunner

from meshwright.cli.main import app
from meshwright.gateway import pod_report
from meshwright.gateway.configmap import open_configmap
from meshwright.gateway.gateway import Gateway
from meshwright.gateway.shifting import follow_traffic, wanted_at_start
from tests.support.gateway_mesh import upstream_settings
from tests.support.kubernetes_api import LABELS, NAME, NAMESPACE, STATE, KubernetesApi, kubernetes_api

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import pytest

    from meshwright.serving.address import Address

LIMIT = 60.0
WHERE = f"{NAMESPACE}/{NAME}"


def weight(percent: int, **others: Any) -> dict[str, str]:
    """The data of the ConfigMap."""
    return {"traffic.json": json.dumps({"canary_weight": percent, **others})}


def pod(name: str, *, started: bool = True, leaving: bool = False) -> dict[str, Any]:
    """A gateway's pod as the API server has it."""
    state: dict[str, Any] = {"running": {}} if started else {"waiting": {"reason": "CrashLoopBackOff"}}
    container = {"name": "gateway", "started": started, "state": state, "ready": started, "restartCount": 0}
    times = {"deletionTimestamp": "2026-11-22T20:00:00Z"} if leaving else {}
    return {
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": LABELS, **times},
        "status": {"phase": "Running", "containerStatuses": [{**container, "image": "mesh", "imageID": "mesh"}]},
    }


def kubeconfig(api: KubernetesApi, file: Path, user: str = "operator", context: str = "test") -> Path:
    """The file, written for the user, whose name is the token."""
    cluster = {"server": f"https://127.0.0.1:{api.port}", "certificate-authority": str(api.account / "ca.crt")}
    content = {
        "current-context": context,
        "clusters": [{"name": context, "cluster": cluster}],
        "users": [{"name": context, "user": {"token": user}}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context, "namespace": NAMESPACE}}],
    }
    file.write_text(yaml.safe_dump(content))
    return file


@contextlib.asynccontextmanager
async def gateway_pod(api: KubernetesApi, folder: Path, name: str, canary: Address | None) -> AsyncIterator[Gateway]:
    """A gateway with a real Envoy and the identity of a pod, which runs once the gateway has said what is in force."""
    data = folder / name
    data.mkdir()
    async with open_configmap(WHERE, data, api.account, name) as source:
        traffic, error = wanted_at_start(source)
        settings = upstream_settings(folder, **({"agent_canary_address": canary} if canary else {}))
        async with Gateway(settings, traffic) as gateway:
            following = asyncio.create_task(follow_traffic(gateway, source, error=error))
            try:
                async with asyncio.timeout(LIMIT):
                    while name not in api.configmaps[STATE]:  # noqa: ASYNC110  # the server just keeps it
                        await asyncio.sleep(0.005)
                api.pods.append(pod(name))
                yield gateway
            finally:
                following.cancel()
                api.pods[:] = [it for it in api.pods if it["metadata"]["name"] != name]


async def prepare_release(api: KubernetesApi, percent: int = 10) -> None:
    """What the chart installs of a canary."""
    await api.put(weight(percent, revision=3))
    await api.put({}, STATE)


@contextlib.asynccontextmanager
async def release_api(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KubernetesApi]:
    """An API server with a release. This process can be its pods, and somebody who shifts."""
    monkeypatch.setattr(pod_report, "FIRST_PAUSE", 0.02)
    async with kubernetes_api(folder) as api:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(api.port))
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(api, folder / "kubeconfig")))
        await prepare_release(api)
        yield api


async def traffic(*arguments: str) -> tuple[int, str]:
    """The exit code of the command and everything that it said."""
    command = ["traffic", *arguments, "--kubernetes", "mesh"]
    result = await asyncio.to_thread(CliRunner().invoke, app, command)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output
