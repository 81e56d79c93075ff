"""Who may speak to whom, as the network policies of a rendered chart have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.chart import Manifest, Object


def components(manifest: Manifest) -> dict[str, Object]:
    """A pod of each component: its labels and named ports."""
    return {pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod for pod in manifest.pods.values()}


def selects(selector: Object, pod: Object) -> bool:
    """Whether a policy's selector means the pod."""
    return bool(selector.get("matchLabels", {}).items() <= pod["metadata"]["labels"].items())


def port_numbers(rule: Object, pod: Object) -> set[int]:
    """The ports of a rule at the pod."""
    named = {
        port["name"]: port["containerPort"] for each in pod["spec"]["containers"] for port in each.get("ports", [])
    }
    return {
        it["port"] if isinstance(it["port"], int) else named[it["port"]]
        for it in rule["ports"]
        if it["port"] in named or isinstance(it["port"], int)
    }


def open_ways(manifest: Manifest, direction: str) -> set[tuple[str, str, int]]:
    """From, to and port of what the policies' `ingress` or `egress` lets through inside the release."""
    pods = components(manifest)
    ways = set()
    for policy in manifest.of("NetworkPolicy").values():
        for name, pod in pods.items():
            if not selects(policy["spec"]["podSelector"], pod):
                continue
            for rule in policy["spec"].get(direction, []):
                peers = rule.get("from" if direction == "ingress" else "to", [])
                for other, other_pod in pods.items():
                    if any(selects(peer["podSelector"], other_pod) for peer in peers if "podSelector" in peer):
                        source, target = (other, name) if direction == "ingress" else (name, other)
                        ways |= {(source, target, port) for port in port_numbers(rule, pods[target])}
    return ways
