"""Which browser pod goes first: the process that says so in the chart, its rights, and the policy that takes most of them back."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

import pytest
import yaml
from helm_python import Chart, HelmError

from meshwright.deletion_cost.pods import ANNOTATION, MOST
from tests.support.chart import DELETION_COST, FOLDER, VALUES_FILES, Object, nested, render, rendered
from tests.support.chart_ways import open_ways

if TYPE_CHECKING:
    from pathlib import Path

NAME = "mesh-deletion-cost"
POLICY = f"{NAME}.agents"


def with_cost(**values: object) -> Object:
    """Values with the option on, and these for its pod."""
    browser = DELETION_COST["browser"]
    return {**DELETION_COST, "browser": {**browser, "deletionCost": {**browser["deletionCost"], **values}}}


def test_it_is_one_pod_that_nobody_can_call() -> None:
    manifest = render(DELETION_COST)
    assert manifest.one("Deployment", "deletion-cost")["spec"]["replicas"] == 1
    (container,) = manifest.pods[NAME]["spec"]["containers"]
    assert container["args"] == ["serve", "deletion-cost"]
    assert "ports" not in container
    assert not [it for it in manifest.of("Service").values() if "deletion-cost" in str(it["spec"]["selector"])]
    service, mark = (
        manifest.environment("deletion-cost")[f"MESHWRIGHT_DELETION_COST_{it}"] for it in ("SERVICE", "MARK")
    )
    assert service == "agents/mesh-browser-metrics"
    assert "mesh-browser-metrics" in manifest.of("Service")
    assert container["readinessProbe"]["exec"]["command"] == ["test", "-e", mark]
    assert {"livenessProbe", "startupProbe"}.isdisjoint(container)


def test_its_account_may_find_pods_and_patch_them() -> None:
    manifest = render(DELETION_COST)
    (role,) = manifest.of("Role").values()
    assert [(it["apiGroups"], it["resources"], it["verbs"]) for it in role["rules"]] == [
        (["discovery.k8s.io"], ["endpointslices"], ["list"]),
        ([""], ["pods"], ["patch"]),
    ]
    (binding,) = manifest.of("RoleBinding").values()
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert [(it["name"], it["namespace"]) for it in binding["subjects"]] == [(NAME, "agents")]
    assert not manifest.of("ClusterRole") | manifest.of("ClusterRoleBinding")
    holders = [name for name, pod in manifest.pods.items() if "serviceAccountToken" in str(pod["spec"].get("volumes"))]
    assert holders == [NAME]


def test_the_policy_is_about_this_account_and_this_release_and_refuses_what_it_cannot_judge() -> None:
    manifest = render(DELETION_COST)
    policy, binding = (manifest.of(kind)[POLICY]["spec"] for kind in kinds_of_policies())
    assert policy["failurePolicy"] == "Fail"
    (condition,) = policy["matchConditions"]
    assert condition["expression"] == f'request.userInfo.username == "system:serviceaccount:agents:{NAME}"'
    assert policy["matchConstraints"]["resourceRules"] == [
        {"apiGroups": [""], "apiVersions": ["*"], "operations": ["*"], "resources": ["pods", "pods/*"]}
    ]
    assert (binding["policyName"], binding["validationActions"]) == (POLICY, ["Deny"])
    namespace = {"kubernetes.io/metadata.name": "agents"}
    assert binding["matchResources"] == {"namespaceSelector": {"matchLabels": namespace}}
    labels = manifest.pods["mesh-browser"]["metadata"]["labels"]
    said = str(policy["validations"])
    for label in ("name", "instance", "component"):
        value = labels[f"app.kubernetes.io/{label}"]
        assert f'[?"app.kubernetes.io/{label}"] == optional.of("{value}")' in said


def test_the_process_and_the_policy_mean_the_same_annotation_and_the_same_numbers() -> None:
    policy = render(DELETION_COST).of("ValidatingAdmissionPolicy")[POLICY]["spec"]
    variables = {it["name"]: it["expression"] for it in policy["variables"]}
    assert variables["cost"] == f'"{ANNOTATION}"'
    assert MOST == 9999
    assert '.matches("^[1-9][0-9]{0,3}$")' in policy["validations"][-1]["expression"]


def test_it_reaches_browsers_and_kubernetes_api_and_nobody_reaches_it() -> None:
    api = [{"port": 443}, {"port": 6443}]
    manifest = render(DELETION_COST)
    policy = manifest.one("NetworkPolicy", "deletion-cost")["spec"]
    assert policy["ingress"] == []
    assert {"ports": api} in policy["egress"]
    assert len(policy["egress"]) == 2
    open_at_both_ends = open_ways(manifest, "egress") & open_ways(manifest, "ingress")
    assert {it for it in open_at_both_ends if "deletion-cost" in it} == {("deletion-cost", "browser", 9464)}
    assert not [it for it in open_ways(manifest, "ingress") if it[1] == "deletion-cost"]
    peers = [{"ipBlock": {"cidr": "10.0.0.1/32"}}]
    narrow = render({**DELETION_COST, "networkPolicy": {"apiServerTo": peers}}).one("NetworkPolicy", "deletion-cost")
    assert {"ports": api, "to": peers} in narrow["spec"]["egress"]


def test_whoever_else_may_see_the_figures_the_process_may() -> None:
    assert ("deletion-cost", "browser", 9464) in open_ways(rendered("production"), "ingress")


def test_its_pod_goes_where_the_values_say() -> None:
    wanted: Object = {
        "nodeSelector": {"pool": "small"},
        "tolerations": [{"key": "pool", "operator": "Exists"}],
        "priorityClassName": "high",
        "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    }
    more = {"podLabels": {"sidecar": "no"}, "podAnnotations": {"note": "yes"}, "serviceAccountAnnotations": {"a": "b"}}
    settings = {"MESHWRIGHT_DELETION_COST_INTERVAL": "1"}
    manifest = render(with_cost(**wanted, **more, settings=settings))
    pod = manifest.pods[NAME]
    assert wanted.items() <= pod["spec"].items()
    assert pod["metadata"]["labels"]["sidecar"] == "no"
    assert pod["metadata"]["annotations"] == {"note": "yes"}
    assert manifest.one("ServiceAccount", "deletion-cost")["metadata"]["annotations"] == {"a": "b"}
    assert settings.items() <= manifest.environment("deletion-cost").items()


@pytest.mark.parametrize(
    ("version", "refused"), [("v1.29.9", True), ("v1.30.0", False), ("v1.30.1-gke.5", False), ("v1.34.2", False)]
)
def test_a_kubernetes_that_is_too_old_is_refused_in_words(version: str, refused: bool, tmp_path: Path) -> None:
    """The check by itself: Helm's library renders for one version."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("{apiVersion: v2, name: part, version: 0.1.0}")
    for part in ("_checks.tpl", "_names.tpl"):
        shutil.copy(FOLDER / "templates" / part, tmp_path / "templates")
    root = f'dict "Values" .Values "Capabilities" (dict "KubeVersion" (dict "Version" "{version}"))'
    (tmp_path / "templates" / "check.yaml").write_text(f'{{{{ include "meshwright.check-deletion-cost" ({root}) }}}}')
    values: Object = yaml.safe_load((FOLDER / "values.yaml").read_text())
    values["metrics"]["enabled"] = values["browser"]["deletionCost"]["enabled"] = True
    values["browser"]["replicas"] = 3
    sentence = f"needs Kubernetes 1.30 or newer.*this is {version}. Set browser.deletionCost.enabled=false"
    with pytest.raises(HelmError, match=sentence) if refused else contextlib.nullcontext():
        Chart.load(tmp_path).render(values, name="mesh", namespace="agents")


@pytest.mark.parametrize("name", VALUES_FILES)
def test_nothing_of_it_is_there_unless_it_is_asked_for(name: str) -> None:
    manifest = rendered(name)
    of_the_cluster = [name for kind in kinds_of_policies() for name in manifest.of(kind)]
    assert of_the_cluster == ([POLICY, POLICY] if name == "production" else [])
    assert (NAME in manifest.pods) == (name == "production")


def test_browsers_that_scale_from_one_may_have_it() -> None:
    scaling = {"enabled": True, "min": 1, "max": 2}
    values = nested(metrics__enabled=True, browser__autoscaling=scaling, browser__deletionCost__enabled=True)
    assert NAME in render(values).pods


def kinds_of_policies() -> tuple[str, str]:
    return "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"
