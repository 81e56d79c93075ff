"""Scalers and disruption budgets of the chart."""

from __future__ import annotations

import pytest

from tests.support.chart import SHARED, nested, render, rendered


@pytest.mark.parametrize("component", ["agent", "tools", "browser", "gateway"])
def test_a_scaled_deployment_leaves_the_number_to_the_scaler(component: str) -> None:
    scaling = {"enabled": True, "min": 2, "max": 6, "calm": 60, "pause": 30}
    values = {"files": {**SHARED, "url": "s3://b"}, component: {"autoscaling": scaling}}
    manifest = render(values)
    assert "replicas" not in manifest.one("Deployment", component)["spec"]
    scaler = manifest.one("HorizontalPodAutoscaler", component)["spec"]
    assert scaler["scaleTargetRef"]["name"] == f"mesh-{component}"
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 6)
    assert scaler["metrics"][0]["resource"]["target"] == {"type": "Utilization", "averageUtilization": 70}
    assert scaler["behavior"]["scaleDown"] == {
        "stabilizationWindowSeconds": 60,
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 30}],
    }
    assert not rendered("default").of("HorizontalPodAutoscaler")


@pytest.mark.parametrize(("component", "seconds"), [("tools", "10"), ("browser", "3")])
def test_callers_find_pods_that_were_added(component: str, seconds: str) -> None:
    assert rendered("default").environment(component)["MESHWRIGHT_CONNECTION_AGE"] == seconds


def test_agents_scale_from_2_to_10_at_70_percent_unless_told_otherwise() -> None:
    scaler = rendered("production").one("HorizontalPodAutoscaler", "agent")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 10)
    assert scaler["metrics"][0]["resource"]["target"]["averageUtilization"] == 70


def test_browsers_scale_by_keda_on_what_is_leased_and_waited_for() -> None:
    manifest = rendered("production")
    # KEDA makes one itself.
    assert "mesh-browser" not in manifest.of("HorizontalPodAutoscaler")
    scaled = manifest.one("ScaledObject", "browser")["spec"]
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (3, 40)
    (trigger,) = scaled["triggers"]
    assert trigger["metadata"]["serverAddress"] == "http://prometheus.monitoring:9090"
    assert (
        'meshwright_browser_utilization_ratio{namespace="agents",service="mesh-browser"}'
        in trigger["metadata"]["query"]
    )
    assert trigger["metadata"]["threshold"] == "0.7"
    assert trigger["metadata"]["ignoreNullValues"] == "false"
    assert scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]


def test_browsers_scale_on_a_metric_of_an_adapter() -> None:
    scaling = {"enabled": True, "by": "external", "target": 50}
    manifest = render({"metrics": {"enabled": True}, "browser": {"autoscaling": scaling}})
    (metric,) = manifest.one("HorizontalPodAutoscaler", "browser")["spec"]["metrics"]
    assert metric["external"]["metric"]["name"] == "meshwright_browser_utilization_ratio"
    assert metric["external"]["target"] == {"type": "AverageValue", "averageValue": "500m"}
    assert not manifest.of("ScaledObject")


def test_more_than_one_pod_is_kept_from_going_all_at_once() -> None:
    manifest = rendered("production")
    budgets = manifest.of("PodDisruptionBudget")
    assert budgets.keys() == {f"mesh-{it}" for it in ("agent", "tools", "browser", "gateway", "web")}
    for name, budget in budgets.items():
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        assert budget["spec"]["selector"]["matchLabels"].items() <= manifest.pods[name]["metadata"]["labels"].items()


def test_a_single_pod_never_keeps_a_node_from_being_emptied() -> None:
    assert not rendered("default").of("PodDisruptionBudget")
    assert not render(nested(gateway__replicas=2, podDisruptionBudget__enabled=False)).of("PodDisruptionBudget")
