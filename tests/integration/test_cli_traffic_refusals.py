"""`meshwright traffic --kubernetes` where it cannot do what it is asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from meshwright.cli.main import app
from tests.support.cluster_gateways import kubeconfig, pod, release_api, traffic, weight
from tests.support.kubernetes_api import NAME, NAMESPACE, OPERATOR, KubernetesApi

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KubernetesApi]:
    async with release_api(tmp_path, monkeypatch) as api:
        yield api


REFUSALS = {
    "no kubeconfig": (2, "There is no kubeconfig"),
    "unknown context": (2, "Context 'elsewhere' not found. The contexts of the kubeconfig: test."),
    "no kubeconfig at all": (2, "is no kubeconfig"),
    "unknown identity": (1, "does not take the kubeconfig's identity: Unauthorized"),
    "no right to change": (1, f'cannot patch resource "configmaps" in API group "" in the namespace "{NAMESPACE}"'),
    "no right to look": (1, "docs/traffic.md has the Role"),
    "no such release": (5, f"There is no release mesh in the namespace {NAMESPACE}"),
    "no canary": (5, "has no canary track: install it with canary.enabled=true"),
    "no gateway runs": (5, "No gateway of the release runs"),
    "nobody at the address": (5, "does not answer"),
    "no program to log in with": (2, "The kubeconfig cannot be used: "),
}


@pytest.mark.parametrize("wrong", REFUSALS)
async def test_what_cannot_be_done_is_said_in_a_sentence_and_changes_nothing(
    wrong: str, api: KubernetesApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.pods.append(pod("one"))
    arguments = ["set", "50"]
    match wrong:
        case "no kubeconfig":
            monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))
        case "unknown context":
            arguments += ["--context", "elsewhere"]
        case "no kubeconfig at all":
            (tmp_path / "kubeconfig").write_text("[1, 2]")
        case "unknown identity":
            kubeconfig(api, tmp_path / "kubeconfig", user="stranger")
        case "no right to change":
            api.operators["operator"] = OPERATOR - {("patch", "configmaps", NAME)}
        case "no right to look":
            api.operators["operator"] = OPERATOR - {("list", "pods", "")}
        case "no such release":
            await api.delete()
            api.pods.clear()
        case "no canary":
            await api.delete()
        case "no gateway runs":
            api.pods[:] = [pod("one", started=False)]
        case "nobody at the address":
            await api.stop()
        case "no program to log in with":
            file = tmp_path / "kubeconfig"
            plugin = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "/nowhere/login"}
            file.write_text(file.read_text().replace("token: operator", f"exec: {json.dumps(plugin)}"))
    code, said = await traffic(*arguments)
    expected, text = REFUSALS[wrong]
    assert (code, text in said) == (expected, True), said
    assert "Traceback" not in said
    assert api.configmaps.get(NAME, weight(10, revision=3)) == weight(10, revision=3)


async def test_a_namespace_without_a_release_is_a_mistake() -> None:
    result = CliRunner().invoke(app, ["traffic", "show", "--namespace", "agents"])
    assert (result.exit_code, "name the release with --kubernetes" in result.output) == (2, True)
