"""The rules by which the tried cluster enforces policies, against what Kubernetes says that policies mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from lightkube.resources.networking_v1 import NetworkPolicy

from tests.kubernetes.policy_rules import Pod, Rules

if TYPE_CHECKING:
    from collections.abc import Mapping

PODS = [
    Pod("mesh", {"app": "agent"}, "10.244.0.2", {("TCP", "grpc"): 8081}),
    Pod("mesh", {"app": "redis", "tier": "data"}, "10.244.0.3", {("TCP", "grpc"): 6379, ("UDP", "grpc"): 53}),
    Pod("others", {"app": "agent"}, "10.244.0.4", {}),
]
NAMESPACES = {"mesh": {"team": "agents"}, "others": {"team": "others"}}
EVERYBODY: dict[str, Any] = {}


def policy(**spec: object) -> NetworkPolicy:
    made = NetworkPolicy.from_dict({"metadata": {"name": "p", "namespace": "mesh"}, "spec": spec})
    assert isinstance(made, NetworkPolicy)
    return made


def chains(*policies: NetworkPolicy) -> Mapping[str, list[str]]:
    """The rules of each chain by its name, without those that are always there."""
    lines = Rules(PODS, NAMESPACES).table(policies).split("\n")
    found: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith("chain "):
            current = found.setdefault(line.split()[1], [])
        elif line.endswith(" return"):
            current.append(" ".join(line.split()[:-1]))
    return found


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        ({}, [""]),
        ({"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53}]}, ["udp dport 53", "tcp dport 53"]),
        ({"ports": [{"port": 8000, "endPort": 8010}]}, ["tcp dport 8000-8010"]),
        ({"ports": [{"protocol": "UDP"}]}, ["meta l4proto udp"]),
        ({"ports": [{"port": 1, "protocol": "SCTP"}]}, []),
        (
            {"to": [{"podSelector": {}}], "ports": [{"port": "grpc"}]},
            [
                "ip daddr { 10.244.0.2, 10.244.0.3 } ip daddr 10.244.0.2 tcp dport 8081",
                "ip daddr { 10.244.0.2, 10.244.0.3 } ip daddr 10.244.0.3 tcp dport 6379",
            ],
        ),
        ({"to": [{"podSelector": {"matchLabels": {"app": "agent"}}}]}, ["ip daddr { 10.244.0.2 }"]),
        (
            {"to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "agent"}}}]},
            ["ip daddr { 10.244.0.2, 10.244.0.4 }"],
        ),
        ({"to": [{"namespaceSelector": {"matchLabels": {"team": "others"}}}]}, ["ip daddr { 10.244.0.4 }"]),
        ({"to": [{"podSelector": {"matchLabels": {"app": "nobody"}}}]}, []),
        (
            {
                "to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "127.0.0.0/8"]}}],
                "ports": [{"port": 443}],
            },
            ["ip daddr 0.0.0.0/0 ip daddr != 10.0.0.0/8 ip daddr != 127.0.0.0/8 tcp dport 443"],
        ),
        ({"to": [{"ipBlock": {"cidr": "::/0"}}]}, []),
    ],
)
def test_a_pod_sends_what_a_rule_allows_and_nothing_else(rule: dict[str, Any], allowed: list[str]) -> None:
    found = chains(
        policy(podSelector={"matchLabels": {"tier": "data"}}, policyTypes=["Egress"], egress=[rule]),
    )
    assert found == {"Egress-10-244-0-3": allowed, "forward": [], "input": []}


@pytest.mark.parametrize(
    ("expression", "chosen"),
    [
        ({"key": "app", "operator": "In", "values": ["redis", "web"]}, {"10-244-0-3"}),
        ({"key": "app", "operator": "NotIn", "values": ["redis"]}, {"10-244-0-2"}),
        ({"key": "tier", "operator": "Exists"}, {"10-244-0-3"}),
        ({"key": "tier", "operator": "DoesNotExist"}, {"10-244-0-2"}),
    ],
)
def test_a_policy_is_for_pods_of_its_namespace_that_it_selects(expression: dict[str, Any], chosen: set[str]) -> None:
    found = chains(policy(podSelector={"matchExpressions": [expression]}, policyTypes=["Ingress"]))
    assert {name for name in found if "-" in name} == {f"Ingress-{pod}" for pod in chosen}


def test_what_one_policy_allows_no_other_takes_away() -> None:
    nothing = policy(podSelector=EVERYBODY, policyTypes=["Ingress", "Egress"])
    something = policy(
        podSelector={"matchLabels": {"app": "redis"}},
        policyTypes=["Ingress"],
        ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "agent"}}}], "ports": [{"port": "grpc"}]}],
    )
    found = chains(nothing, something)
    assert found["Ingress-10-244-0-3"] == ["ip saddr { 10.244.0.2 } ip daddr 10.244.0.3 tcp dport 6379"]
    assert [found[f"Egress-10-244-0-{pod}"] for pod in (2, 3)] == [[], []]


def test_a_pod_that_is_not_known_yet_reaches_nobody() -> None:
    assert "ip saddr 10.244.0.0/16 ip saddr != { 0.0.0.0, 10.244.0.2, 10.244.0.3, 10.244.0.4 } drop" in Rules(
        PODS, NAMESPACES
    ).table([])
