"""What the chart makes is what Kubernetes takes, with every file of values."""

from __future__ import annotations

import re

import kubernetes_validate
import pytest
import yaml
from helm_python import lint

from tests.support.chart import FOLDER, VALUES_FILES, Object, chart, nested, render, rendered, values_of

OLDEST, NEWEST = "1.27", "1.37"
FOREIGN = {"GRPCRoute", "HTTPRoute", "PrometheusRule", "ScaledObject", "ServiceMonitor"}
"""Kinds that Kubernetes itself does not have."""
OF_THE_CLUSTER = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
"""Kinds without a namespace, which Kubernetes has since 1.30."""
OLDEST_OF = {"production": "1.30"}
"""The oldest Kubernetes of a file of values, where it is not the chart's."""


@pytest.mark.parametrize("name", VALUES_FILES)
def test_helm_finds_nothing_to_complain_of(name: str) -> None:
    version = OLDEST_OF.get(name, OLDEST)
    report = lint(FOLDER, values_of(name), strict=True, namespace="agents", kube_version=f"v{version}.0")
    said = [message["error"] for message in report["messages"]]
    assert (report["errors"], said) == ([], ["icon is recommended"])


@pytest.mark.parametrize(("name", "version"), [*((name, NEWEST) for name in VALUES_FILES), ("production", OLDEST)])
def test_kubernetes_own_schemas_take_every_object(name: str, version: str) -> None:
    too_new = OF_THE_CLUSTER if version < OLDEST_OF.get(name, OLDEST) else set()
    for it in rendered(name).objects:
        if it["kind"] not in FOREIGN | too_new:
            kubernetes_validate.validate(it, version, strict=True)


def test_the_schemas_would_find_a_mistake() -> None:
    deployment = yaml.safe_load(yaml.safe_dump(rendered("default").one("Deployment", "agent")))
    deployment["spec"]["template"]["spec"]["containers"][0]["livenessProb"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="livenessProb"):
        kubernetes_validate.validate(deployment, NEWEST, strict=True)


@pytest.mark.parametrize("name", VALUES_FILES)
def test_every_object_is_labelled_in_its_namespace_and_has_a_name_of_its_own(name: str) -> None:
    seen = set()
    for it in rendered(name).objects:
        metadata = it["metadata"]
        # What is the cluster's own has the namespace in its name, so that releases do not meet.
        assert metadata.get("namespace") == (None if it["kind"] in OF_THE_CLUSTER else "agents")
        assert it["kind"] not in OF_THE_CLUSTER or metadata["name"].endswith(".agents")
        assert metadata["labels"]["app.kubernetes.io/instance"] == "mesh"
        assert metadata["labels"]["app.kubernetes.io/component"]
        identity = (it["kind"], metadata["name"])
        assert identity not in seen
        seen.add(identity)


@pytest.mark.parametrize("name", VALUES_FILES)
def test_selectors_find_the_pods_of_one_component(name: str) -> None:
    manifest = rendered(name)
    pods = {pod: template["metadata"]["labels"] for pod, template in manifest.pods.items()}
    for service in manifest.of("Service").values():
        found = {pod for pod, labels in pods.items() if service["spec"]["selector"].items() <= labels.items()}
        component = service["metadata"]["labels"]["app.kubernetes.io/component"]
        assert found, service["metadata"]["name"]
        assert {pods[pod]["app.kubernetes.io/component"] for pod in found} == {component}


@pytest.mark.parametrize("name", VALUES_FILES)
def test_ports_of_services_are_ports_of_their_pods(name: str) -> None:
    manifest = rendered(name)
    for service in manifest.of("Service").values():
        for template in manifest.pods.values():
            if service["spec"]["selector"].items() <= template["metadata"]["labels"].items():
                offered = {port["name"] for each in template["spec"]["containers"] for port in each.get("ports", [])}
                assert {port["targetPort"] for port in service["spec"]["ports"]} <= offered


def test_the_schema_and_the_values_have_the_same_keys() -> None:
    schema = chart().schema
    assert schema is not None
    definitions = schema["definitions"]

    def compare(values: Object, shape: Object, path: str) -> None:
        shape = definitions[shape["$ref"].rpartition("/")[2]] if "$ref" in shape else shape
        if "properties" not in shape:
            return
        assert shape["additionalProperties"] is False, path
        assert values.keys() == shape["properties"].keys() - {"global"}, path
        for key, value in values.items():
            if isinstance(value, dict):
                compare(value, shape["properties"][key], f"{path}.{key}")

    compare(yaml.safe_load((FOLDER / "values.yaml").read_text()), schema, "values")


def test_every_block_of_the_values_says_what_it_is() -> None:
    lines = (FOLDER / "values.yaml").read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"[a-zA-Z]+:", line):
            assert lines[number - 1].startswith("#"), line


def test_the_chart_and_the_package_have_one_version() -> None:
    project = (FOLDER.parents[1] / "pyproject.toml").read_text()
    assert f'version = "{chart().metadata["appVersion"]}"' in project


def test_another_name_reaches_every_object() -> None:
    manifest = render(nested(fullnameOverride="other"))
    assert {it["metadata"]["name"].partition("-")[0] for it in manifest.objects} == {"other"}


def test_labels_and_pull_secrets_reach_what_they_are_for() -> None:
    manifest = render({"commonLabels": {"team": "agents"}, "imagePullSecrets": [{"name": "registry"}]})
    assert all(it["metadata"]["labels"]["team"] == "agents" for it in manifest.objects)
    assert all(pod["spec"]["imagePullSecrets"] == [{"name": "registry"}] for pod in manifest.pods.values())


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({}, "meshwright/mesh:0.2.0"),
        ({"tag": "0.2.0"}, "meshwright/mesh:0.2.0"),
        ({"registry": "registry.example.com", "tag": "x"}, "registry.example.com/meshwright/mesh:x"),
        ({"tag": "x", "digest": f"sha256:{'a' * 64}"}, f"meshwright/mesh@sha256:{'a' * 64}"),
    ],
)
def test_an_image_is_named_by_digest_or_tag(image: Object, expected: str) -> None:
    manifest = render({"image": image})
    assert {manifest.pods[f"mesh-{it}"]["spec"]["containers"][0]["image"] for it in ("agent", "gateway", "test")} == {
        expected
    }
