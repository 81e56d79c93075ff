"""Who may speak to whom in a release: what the services need, and nothing else."""

from __future__ import annotations

import ipaddress
import re

import pytest
import yaml

from meshwright.egress.special_ranges import SPECIAL_V4, SPECIAL_V6, WEB_V6
from tests.support.chart import FOLDER, VALUES_FILES, Object, nested, render, rendered
from tests.support.chart_ways import open_ways, selects

FLOWS = {
    ("gateway", "agent", 8081),
    ("gateway", "tools", 8082),
    ("gateway", "browser", 8083),
    ("gateway", "web", 8084),
    ("agent", "tools", 8082),
    ("agent", "browser", 8083),
    ("agent", "redis", 6379),
    ("tools", "browser", 8083),
    ("browser", "web", 8084),
    ("test", "gateway", 8080),
}

SHOP = "mesh-web:8084,mesh-web.agents:8084,mesh-web.agents.svc:8084,mesh-web.agents.svc.cluster.local:8084"
"""The demo shop, by each of its names in the cluster."""


def test_everything_is_denied_that_is_not_allowed() -> None:
    manifest = rendered("default")
    deny = manifest.one("NetworkPolicy", "default-deny")["spec"]
    assert deny["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in deny
    assert "egress" not in deny
    assert all(selects(deny["podSelector"], pod) for pod in manifest.pods.values())
    for policy in manifest.of("NetworkPolicy").values():
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]


def test_the_flows_of_the_mesh_are_open_at_both_ends_and_no_others() -> None:
    manifest = rendered("default")
    assert open_ways(manifest, "egress") == FLOWS
    # Every pod of the namespace may ask the gateway.
    assert {way for way in open_ways(manifest, "ingress") if way[1] != "gateway"} == FLOWS - {("test", "gateway", 8080)}
    assert ("test", "gateway", 8080) in open_ways(manifest, "ingress")


@pytest.mark.parametrize("name", VALUES_FILES)
def test_whatever_address_a_service_is_given_it_may_reach(name: str) -> None:
    manifest = rendered(name)
    allowed = open_ways(manifest, "egress") & open_ways(manifest, "ingress")
    for component in ("agent", "tools", "gateway"):
        for variable, value in manifest.environment(component).items():
            if variable.endswith("_ADDRESS") and variable != "MESHWRIGHT_METRICS_ADDRESS":
                found = re.fullmatch(r"mesh-([a-z]+)(?:-canary)?:(\d+)", value)
                assert found is not None, value
                assert (component, found[1], int(found[2])) in allowed


def test_without_the_demo_shop_browsers_reach_nothing_of_the_release() -> None:
    manifest = render(nested(web__demo=False, test__task="Say hello"))
    ways = open_ways(manifest, "egress") | open_ways(manifest, "ingress")
    assert not [way for way in ways if way[0] == "browser" and way[1] != "gateway"]


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3",
        "172.20.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "127.0.0.1",
        "100.64.0.1",
        "fd00::1",
        "fe80::1",
        "::1",
    ],
)
def test_browsers_never_reach_what_is_near(address: str) -> None:
    egress = rendered("default").one("NetworkPolicy", "browser")["spec"]["egress"]
    blocks = [peer["ipBlock"] for rule in egress for peer in rule.get("to", []) if "ipBlock" in peer]
    assert [block["cidr"] for block in blocks] == ["0.0.0.0/0", "::/0"]
    near = [ipaddress.ip_network(each) for block in blocks for each in block["except"]]
    it = ipaddress.ip_address(address)
    assert any(it in network for network in near if network.version == it.version)
    assert not any(ipaddress.ip_address("93.184.216.34") in network for network in near if network.version == 4)


def test_the_egress_proxy_refuses_what_the_policy_does_and_nothing_else_that_lies_in_the_internet() -> None:
    policy = yaml.safe_load((FOLDER / "values.yaml").read_text())["networkPolicy"]
    assert {ipaddress.IPv4Network(each) for each in policy["browserNever"]} == set(SPECIAL_V4)
    never = {ipaddress.IPv6Network(each) for each in policy["browserNever6"]}
    assert {network for network in never if network.overlaps(WEB_V6)} == set(SPECIAL_V6)


@pytest.mark.parametrize(
    ("values", "allowed"),
    [
        ({}, SHOP),
        (
            {"browser__egress__allow": ["wiki.example.com:443", "10.1.0.0/16"]},
            f"{SHOP},wiki.example.com:443,10.1.0.0/16",
        ),
        ({"web__demo": False, "test__task": "Say hello"}, None),
    ],
)
def test_browsers_are_let_to_the_demo_shop_and_to_what_the_values_name(values: Object, allowed: str | None) -> None:
    environment = render(nested(**values)).environment("browser")
    assert environment.get("MESHWRIGHT_EGRESS_ALLOW") == allowed
    assert "MESHWRIGHT_EGRESS_PROXY" not in environment


def test_a_proxy_of_ones_own_can_stand_in_for_the_egress_proxy() -> None:
    proxy = "http://proxy.example.com:3128"
    assert render(nested(browser__egress__proxy=proxy)).environment("browser")["MESHWRIGHT_EGRESS_PROXY"] == proxy


def test_only_the_agent_reaches_redis() -> None:
    ways = open_ways(rendered("default"), "ingress")
    assert {source for source, target, _ in ways if target == "redis"} == {"agent"}


def test_a_redis_of_ones_own_is_reached_on_its_port() -> None:
    manifest = render(nested(redis__bundled=False, redis__url="redis://redis.data:6390/0", redis__port=6390))
    egress = manifest.one("NetworkPolicy", "agent")["spec"]["egress"]
    assert {"ports": [{"port": 6390}]} in egress


def test_the_gateway_reaches_the_issuers_keys() -> None:
    rules = rendered("production").one("NetworkPolicy", "gateway")["spec"]["egress"]
    assert {"ports": [{"port": 443}]} in rules


def test_the_ports_of_addresses_that_the_values_give_are_open_but_not_to_browsers() -> None:
    values = nested(model__openaiBaseUrl="http://vllm.models:8000/v1", telemetry__otlpEndpoint="http://collector:4317")
    manifest = render(values)
    rules = {
        name: manifest.one("NetworkPolicy", name)["spec"]["egress"] for name in ("agent", "tools", "gateway", "browser")
    }
    assert {"ports": [{"port": 4317}, {"port": 8000}]} in rules["agent"]
    assert {"ports": [{"port": 4317}]} in rules["tools"]
    assert {"ports": [{"port": 4317}]} in rules["gateway"]
    anywhere = [rule["ports"] for rule in rules["browser"] if "to" not in rule]
    assert [{port["port"] for port in ports} for ports in anywhere] == [{53}]


def test_names_are_looked_up_where_the_values_say() -> None:
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
    manifest = render({"networkPolicy": {"dnsTo": [peer]}})
    for name in ("agent", "browser", "gateway", "test"):
        (rule,) = [
            it
            for it in manifest.one("NetworkPolicy", name)["spec"]["egress"]
            if it.get("ports", [{}])[0].get("port") == 53
        ]
        assert rule["to"] == [peer]


def test_names_are_looked_up_at_the_ports_that_the_values_say() -> None:
    manifest = render({"networkPolicy": {"dnsPorts": [53, 5353]}})
    for name in ("agent", "tools", "browser", "gateway", "test"):
        ports = manifest.one("NetworkPolicy", name)["spec"]["egress"][0]["ports"]
        assert [(each["port"], each["protocol"]) for each in ports] == [
            (53, "UDP"),
            (53, "TCP"),
            (5353, "UDP"),
            (5353, "TCP"),
        ]


def test_who_may_reach_the_gateway_is_the_operators_choice() -> None:
    manifest = rendered("production")
    (rule,) = manifest.one("NetworkPolicy", "gateway")["spec"]["ingress"]
    assert rule["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}]
    assert ("test", "gateway", 8080) in open_ways(manifest, "ingress")


def test_figures_are_shown_to_whom_the_values_name() -> None:
    policy = rendered("production").one("NetworkPolicy", "agent")["spec"]["ingress"]
    (rule,) = [rule for rule in policy if rule["ports"] == [{"port": "metrics"}]]
    assert rule["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]


@pytest.mark.parametrize("component", ["agent", "tools", "browser", "gateway"])
def test_rules_of_ones_own_are_added(component: str) -> None:
    rule = {"to": [{"namespaceSelector": {"matchLabels": {"name": "models"}}}], "ports": [{"port": 8000}]}
    manifest = render({"networkPolicy": {f"{component}Egress": [rule]}})
    assert rule in manifest.one("NetworkPolicy", component)["spec"]["egress"]


def test_without_policies_none_are_made() -> None:
    auth = {
        "enabled": True,
        "jwksUrl": "https://login.example.com/keys",
        "issuer": "i",
        "audience": "a",
        "meshKeySecret": {"name": "mesh-key"},
    }
    assert not render({"auth": auth, "networkPolicy": {"enabled": False}}).of("NetworkPolicy")
