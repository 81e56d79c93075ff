"""The dashboard and the alerts of the chart ask for what the mesh tells, and only for that."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import grpc
import pytest
from scripts import dashboard

from meshwright.agent import metric_families
from meshwright.browser import metrics as browser_metrics
from meshwright.serving import rpc_metrics
from meshwright.serving.metrics import Family, Metrics
from meshwright.tools import metrics as tool_metrics
from meshwright.v1.error_reason_pb2 import ErrorReason
from meshwright.v1.run_pb2 import RunOutcome
from meshwright.v1.tool_pb2 import ToolOutcome
from tests.support.chart import Manifest, Object, nested, render, rendered
from tests.support.promql import Asked, asked, grouped_by

ROOMS: Mapping[str, Sequence[Family]] = {
    "agent": metric_families.FAMILIES,
    "tools": tool_metrics.FAMILIES,
    "browser": browser_metrics.FAMILIES,
    "(agent|tools|browser)": rpc_metrics.FAMILIES,
}
TARGET = {"namespace", "service", "pod"}
"""Labels that the ServiceMonitor gives every metric."""
OTHERS = {
    "up": TARGET,
    "kubelet_volume_stats_available_bytes": {"namespace", "persistentvolumeclaim"},
    "kubelet_volume_stats_capacity_bytes": {"namespace", "persistentvolumeclaim"},
}
"""Metrics of Prometheus itself and of the kubelet, and their labels."""
ENABLED = nested(metrics__enabled=True, metrics__dashboards__enabled=True, metrics__rules__enabled=True)


def of_enum(values: Sequence[str], prefix: str) -> set[str]:
    return {it.removeprefix(prefix).lower() for it in values}


REASONS = {it.removeprefix("ERROR_REASON_") for it in ErrorReason.keys()}  # noqa: SIM118  # an enum of protobuf
LABEL_VALUES = {
    ("meshwright_runs_finished_total", "outcome"): of_enum(RunOutcome.keys(), "RUN_OUTCOME_"),
    ("meshwright_tool_calls_total", "outcome"): of_enum(ToolOutcome.keys(), "TOOL_OUTCOME_"),
    ("meshwright_model_requests_total", "outcome"): REASONS | {"ok", "cancelled"},
    ("meshwright_store_append_failures_total", "reason"): REASONS,
    ("meshwright_rpc_handled_total", "code"): {it.name for it in grpc.StatusCode},
}
"""What those labels can be that expressions compare with something."""


@functools.cache
def samples() -> dict[str, tuple[str, Family]]:
    """By the name of each sample that a service tells: whose it is, and its family."""
    found = {}
    for room, families in ROOMS.items():
        for family in families:
            endings = ("_bucket", "_count", "_sum") if family.kind == "histogram" else ("",)
            found.update({family.name + ending: (room, family) for ending in endings})
    return found


@functools.cache
def of_processes() -> set[str]:
    return {sample.name for family in Metrics().registry.collect() for sample in family.samples}


def alerts(manifest: Manifest) -> dict[str, Object]:
    (rule,) = manifest.of("PrometheusRule").values()
    (group,) = rule["spec"]["groups"]
    return {it["alert"]: it for it in group["rules"]}


def board() -> Object:
    content: Object = json.loads(render(ENABLED).one("ConfigMap", "dashboard")["data"]["meshwright.json"])
    return content


def panels() -> list[Object]:
    return [it for it in board()["panels"] if it["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    yield from ((name, it["expr"]) for name, it in alerts(render(ENABLED)).items())
    for panel in panels():
        yield from ((panel["title"], target["expr"]) for target in panel["targets"])


EXPRESSIONS = list(expressions())


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS, ids=[title for title, _ in EXPRESSIONS])
def test_every_expression_asks_for_metrics_that_there_are(title: str, expression: str) -> None:
    known_labels = set(TARGET | {"le"})
    for it in asked(expression):
        if it.name in OTHERS:
            assert it.labels.keys() <= OTHERS[it.name]
        elif it.name in of_processes():
            assert it.labels.keys() <= TARGET
        else:
            check(it)
            known_labels |= set(samples()[it.name][1].labels)
    assert grouped_by(expression) <= known_labels


def check(it: Asked) -> None:
    room, family = samples()[it.name]
    assert it.labels.keys() - TARGET <= set(family.labels)
    assert it.labels["service"] in {f"mesh-{room}", f"${{mesh}}-{room}"}
    assert it.labels["namespace"] in {"agents", "$namespace"}
    assert it.is_counted == (family.kind != "gauge")
    assert ("histogram_quantile" in it.functions) == it.name.endswith("_bucket")
    for label, value in it.labels.items():
        if label in family.labels:
            assert set(value.split("|")) <= LABEL_VALUES[family.name, label]


def test_a_metric_that_nobody_tells_would_be_found() -> None:
    with pytest.raises(KeyError, match="meshwright_runs_lost_total"):
        test_every_expression_asks_for_metrics_that_there_are("", 'rate(meshwright_runs_lost_total{outcome="a"}[5m])')
    wrong = 'rate(meshwright_runs_finished_total{namespace="agents", service="mesh-agent", outcome="broken"}[5m])'
    with pytest.raises(AssertionError):
        test_every_expression_asks_for_metrics_that_there_are("", wrong)


def test_every_metric_but_a_few_is_on_the_dashboard() -> None:
    shown = {samples()[it.name][1].name for _, text in EXPRESSIONS for it in asked(text) if it.name in samples()}
    told = {family.name for families in ROOMS.values() for family in families}
    # The same in other words: calls that were begun, and the one number that is made for autoscalers.
    assert told - shown == {"meshwright_rpc_started_total", "meshwright_browser_utilization_ratio"}


def test_the_dashboard_is_the_one_that_its_script_writes(capsys: pytest.CaptureFixture[str]) -> None:
    assert dashboard.main(["--check"]) == 0, capsys.readouterr().err


def test_the_dashboard_lets_a_reader_choose_the_mesh() -> None:
    chosen = {it["name"] for it in board()["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w+)", json.dumps(board())))
    assert used == chosen == {"datasource", "namespace", "mesh"}


def test_panels_have_a_meaning_a_unit_and_a_place_of_their_own() -> None:
    places = [(it["gridPos"]["x"], it["gridPos"]["y"]) for it in panels()]
    assert len(set(places)) == len(places)
    assert len({it["id"] for it in board()["panels"]}) == len(board()["panels"])
    for it in panels():
        assert it["description"].endswith(".")
        assert it["fieldConfig"]["defaults"]["unit"]
        assert all(target["legendFormat"] for target in it["targets"])


def test_grafanas_sidecar_finds_the_dashboard_by_its_label() -> None:
    labels = render(ENABLED).one("ConfigMap", "dashboard")["metadata"]["labels"]
    assert labels["grafana_dashboard"] == "1"
    chosen = nested(metrics__dashboards__labels__board="yes", metrics__dashboards__annotations__grafana_folder="Mesh")
    metadata = render(
        {"metrics": {**ENABLED["metrics"], "dashboards": {"enabled": True, **chosen["metrics"]["dashboards"]}}}
    )
    found = metadata.one("ConfigMap", "dashboard")["metadata"]
    assert (found["labels"]["board"], found["annotations"]) == ("yes", {"grafana_folder": "Mesh"})


def test_alerts_say_what_is_wrong_how_bad_it_is_and_what_to_do() -> None:
    for name, alert in alerts(render(ENABLED)).items():
        assert alert.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"[0-9]+m", alert.get("for", "0m"))
        assert alert["labels"]["severity"] in {"warning", "critical"}
        assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
        assert alert["annotations"]["runbook_url"] == f"docs/operations.md#{name.lower()}"


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    assert re.findall(r"^### (Meshwright\w+)$", page, re.MULTILINE) == list(alerts(render(ENABLED)))


def test_what_an_alert_says_of_its_labels_they_have() -> None:
    for alert in alerts(render(ENABLED)).values():
        named = set(re.findall(r"\$labels\.(\w+)", json.dumps(alert["annotations"])))
        kept = grouped_by(alert["expr"]) | {label for it in asked(alert["expr"]) for label in it.labels}
        assert named <= kept | ({"pod"} if not grouped_by(alert["expr"]) else set())


def test_alerts_are_about_the_services_and_claims_of_their_release() -> None:
    assert "$" not in json.dumps([it["expr"] for it in alerts(render(ENABLED)).values()])
    mine = {**ENABLED, **nested(fullnameOverride="other", files__volume__existingClaim="mine")}
    found = alerts(render(mine))
    assert 'service="other-browser"' in found["MeshwrightBrowsersSaturated"]["expr"]
    assert 'persistentvolumeclaim=~"mine|data-other-redis-0"' in found["MeshwrightDiskFilling"]["expr"]
    assert "mesh-" not in json.dumps(found)


def test_alerts_can_be_left_out_and_have_their_runbooks_elsewhere() -> None:
    values = nested(
        metrics__enabled=True,
        metrics__rules={
            "enabled": True,
            "without": ["MeshwrightModelSlow"],
            "runbooks": "https://wiki.example.com/mesh",
            "labels": {"team": "agents"},
        },
    )
    manifest = render(values)
    found = alerts(manifest)
    assert found.keys() == alerts(render(ENABLED)).keys() - {"MeshwrightModelSlow"}
    assert (
        found["MeshwrightTakeovers"]["annotations"]["runbook_url"]
        == "https://wiki.example.com/mesh#meshwrighttakeovers"
    )
    assert manifest.one("PrometheusRule", "alerts")["metadata"]["labels"]["team"] == "agents"


def test_neither_is_there_unless_it_is_asked_for() -> None:
    manifest = rendered("default")
    assert not manifest.of("PrometheusRule") | manifest.of("ConfigMap")
    assert rendered("production").of("PrometheusRule")


def test_figures_are_offered_and_scraped_where_asked() -> None:
    manifest = rendered("production")
    assert manifest.environment("browser")["MESHWRIGHT_METRICS_ADDRESS"] == "0.0.0.0:9464"
    (monitor,) = manifest.of("ServiceMonitor").values()
    wanted = monitor["spec"]["selector"]["matchLabels"]
    scraped = {
        name for name, it in manifest.of("Service").items() if wanted.items() <= it["metadata"]["labels"].items()
    }
    assert scraped == {"mesh-agent-metrics", "mesh-tools-metrics", "mesh-browser-metrics"}
    assert "MESHWRIGHT_METRICS_ADDRESS" not in rendered("default").environment("agent")


def test_traces_go_where_the_values_say() -> None:
    manifest = render(nested(telemetry__otlpEndpoint="http://collector:4317"))
    for name in ("agent", "tools", "browser", "gateway", "web"):
        assert manifest.environment(name)["MESHWRIGHT_OTLP_ENDPOINT"] == "http://collector:4317"
