"""Two tracks of the agent in the chart, and their weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from helm_python import Chart

from meshwright.gateway.traffic_file import TrafficFile
from tests.support.chart import CANARY, FOLDER, SHARED, Manifest, Object, render, rendered


def test_a_canary_stands_beside_the_stable_track() -> None:
    manifest = render({"files": SHARED, "canary": CANARY})
    stable, canary = manifest.pods["mesh-agent"], manifest.pods["mesh-agent-canary"]
    assert canary["spec"]["containers"][0]["image"] == "meshwright/mesh:0.2.0"
    assert stable["spec"]["containers"][0]["image"] == "meshwright/mesh:0.2.0"
    of_canary = manifest.environment("agent-canary")
    assert of_canary.pop("MESHWRIGHT_TRACK") == "canary"
    assert manifest.environment("agent") == of_canary
    for name, track in (("agent", "stable"), ("agent-canary", "canary")):
        assert manifest.one("Service", name)["spec"]["selector"]["track"] == track
    assert manifest.environment("gateway")["MESHWRIGHT_AGENT_CANARY_ADDRESS"] == "mesh-agent-canary:8081"


@pytest.mark.parametrize("weight", [0, 10, 100])
def test_the_gateway_reads_the_weights(weight: int, tmp_path: Path) -> None:
    manifest = render({"files": SHARED, "canary": {**CANARY, "weight": weight}})
    (name, text), *_ = manifest.one("ConfigMap", "traffic")["data"].items()
    (tmp_path / name).write_text(text)
    assert TrafficFile(tmp_path).read().canary_weight == weight
    assert manifest.environment("gateway")["MESHWRIGHT_TRAFFIC_CONFIGMAP"] == "agents/mesh-traffic"


def test_the_gateway_alone_may_read_the_weights_say_what_is_in_force_and_nothing_else_of_the_cluster() -> None:
    manifest = render({"files": SHARED, "canary": CANARY})
    (role,) = manifest.of("Role").values()
    assert [(it["apiGroups"], it["resources"], it["resourceNames"], it["verbs"]) for it in role["rules"]] == [
        ([""], ["configmaps"], ["mesh-traffic"], ["get", "watch"]),
        ([""], ["configmaps"], ["mesh-traffic-state"], ["patch"]),
    ]
    # Without data, so that an upgrade leaves what gateways said.
    assert "data" not in manifest.one("ConfigMap", "traffic-state")
    (binding,) = manifest.of("RoleBinding").values()
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert [it["name"] for it in binding["subjects"]] == ["mesh-gateway"]
    sources = manifest.volumes("gateway")["identity"]["projected"]["sources"]
    assert [next(iter(it)) for it in sources] == ["serviceAccountToken", "configMap", "downwardAPI"]
    holders = [name for name, pod in manifest.pods.items() if "serviceAccountToken" in str(pod["spec"].get("volumes"))]
    assert holders == ["mesh-gateway"]


def test_kubernetes_api_is_reached_by_the_gateway_of_a_canary_alone() -> None:
    def ports(manifest: Manifest, component: str) -> list[list[Object]]:
        return [it["ports"] for it in manifest.one("NetworkPolicy", component)["spec"]["egress"] if "ports" in it]

    api = [{"port": 443}, {"port": 6443}]
    manifest = render({"files": SHARED, "canary": CANARY})
    assert [it for it in ("gateway", "agent", "tools", "browser") if api in ports(manifest, it)] == ["gateway"]
    assert api not in ports(rendered("default"), "gateway")
    peers = [{"ipBlock": {"cidr": "10.0.0.1/32"}}]
    policy = {"apiServerTo": peers, "apiServerPorts": [8443]}
    narrow = render({"files": SHARED, "canary": CANARY, "networkPolicy": policy})
    assert {"ports": [{"port": 8443}], "to": peers} in narrow.one("NetworkPolicy", "gateway")["spec"]["egress"]


@pytest.mark.parametrize(
    ("live", "weight", "wanted"),
    [
        ({}, 10, 10),
        (None, 10, 10),
        ({"values": "10", "text": '{"canary_weight": 50}'}, 10, 50),
        ({"values": "10", "text": '{"canary_weight": 50}'}, 20, 20),
        ({"values": "0", "text": '{"canary_weight": 50}'}, 0, 50),
        ({"values": "10", "text": ""}, 10, 10),
        ({"values": "", "text": '{"canary_weight": 50}'}, 10, 10),
    ],
    ids=["new", "unknown", "shifted", "values changed", "all stable", "empty", "of an older chart"],
)
def test_an_upgrade_undoes_no_shift_unless_the_values_change(
    live: Object | None, weight: int, wanted: int, tmp_path: Path
) -> None:
    """What the chart makes of a live ConfigMap, which no rendering without a cluster has."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("{apiVersion: v2, name: part, version: 0.1.0}")
    shutil.copy(FOLDER / "templates" / "gateway" / "_traffic.tpl", tmp_path / "templates")
    arguments = 'dict "live" .Values.live "weight" .Values.weight "revision" 7'
    (tmp_path / "templates" / "traffic.yaml").write_text(
        f'text: |\n  {{{{- include "meshwright.traffic" ({arguments}) | nindent 2 }}}}'
    )
    if live:
        annotations = {"meshwright/weight-of-values": live["values"]}
        live = {"metadata": {"annotations": annotations}, "data": {"traffic.json": live["text"]}}
    made = Chart.load(tmp_path).render({"live": live, "weight": weight}, name="mesh", namespace="agents")
    (text,) = (yaml.safe_load(it)["text"] for path, it in made.items() if path.endswith("traffic.yaml"))
    assert json.loads(text)["canary_weight"] == wanted


def test_new_weights_start_no_pod_anew() -> None:
    light, heavy = (render({"files": SHARED, "canary": {**CANARY, "weight": weight}}) for weight in (10, 50))
    assert light.pods == heavy.pods


def test_without_a_canary_nothing_of_it_is_there() -> None:
    manifest = rendered("default")
    assert not manifest.of("ConfigMap")
    assert "mesh-agent-canary" not in manifest.of("Deployment") | manifest.of("Service")
    assert "MESHWRIGHT_AGENT_CANARY_ADDRESS" not in manifest.environment("gateway")
