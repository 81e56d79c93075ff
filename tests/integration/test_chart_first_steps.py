"""What follows an installation of the chart: its notes, and `helm test`."""

from __future__ import annotations

import pytest

from tests.support.chart import AUTH, CANARY, DELETION_COST, SHARED, Object, render, rendered


def test_helm_test_gives_the_mesh_a_real_task() -> None:
    manifest = rendered("default")
    pod = manifest.one("Pod", "test")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    environment = manifest.environment("test")
    assert environment["MESHWRIGHT_ADDRESS"] == "mesh-gateway.agents.svc:8080"
    assert environment["TASK"] == "Open http://mesh-web.agents.svc:8084/demo/ and tell me what the desk lamp costs"
    assert environment["EXPECT"] == "$49.00"
    assert "meshwright run" in pod["spec"]["containers"][0]["args"][0]


def test_with_login_helm_test_shows_a_token() -> None:
    environment = rendered("production").environment("test")
    assert environment["MESHWRIGHT_TOKEN"] == {"secretKeyRef": {"name": "mesh-test-token", "key": "token"}}
    assert environment["TASK"].startswith("Write a file")


@pytest.mark.parametrize(
    ("values", "said", "unsaid"),
    [
        (
            {},
            [
                "helm test mesh",
                "port-forward service/mesh-gateway 8080:8080",
                "no login",
                "no language model",
                "own sandbox",
            ],
            [],
        ),
        ({"auth": AUTH}, ["port-forward"], ["no login"]),
        ({"model": {"name": "offline"}}, [], ["no language model"]),
        ({"redis": {"bundled": False}}, ["a file of one agent"], ["single Redis"]),
        ({"browser": {"sandbox": "off"}}, [], ["own sandbox"]),
        (
            {"auth": AUTH, "ingress": {"enabled": True, "host": "mesh.example.com", "tlsSecret": "tls"}},
            ["https://mesh.example.com/", "name that in\nnetworkPolicy.gatewayFrom"],
            ["port-forward"],
        ),
        ({"files": SHARED, "canary": CANARY}, ["The canary gets 10 % of new sessions"], []),
        ({"browser": {"replicas": 2}}, ["Set\nbrowser.deletionCost.enabled=true"], ["mesh-deletion-cost"]),
        (DELETION_COST, ["rollout status deployment/mesh-deletion-cost"], ["browser.deletionCost.enabled=true"]),
    ],
    ids=["default", "login", "planner", "file", "no sandbox", "ingress", "canary", "browsers", "cost"],
)
def test_the_notes_say_what_to_do_next(values: Object, said: list[str], unsaid: list[str]) -> None:
    notes = render(values).notes
    assert not [it for it in said if it not in notes]
    assert not [it for it in unsaid if it in notes]
