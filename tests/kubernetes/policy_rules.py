"""NetworkPolicies as rules of nftables, for the pods of one node: IPv4, TCP and UDP, whatever a policy can say of them.

A pod that a policy selects sends (or gets) what a policy allows, and nothing else. What the node itself sends, and answers to what was
allowed, pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.kubernetes.machine import PODS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lightkube.models.meta_v1 import LabelSelector
    from lightkube.models.networking_v1 import NetworkPolicyPeer, NetworkPolicyPort
    from lightkube.resources.networking_v1 import NetworkPolicy

TABLE = "meshwright-policies"


class Pod(NamedTuple):
    """What policies know a pod by."""

    namespace: str
    labels: dict[str, str]
    address: str
    ports: dict[tuple[str, str], int]
    """Numbers by protocol and name."""


class Rules(NamedTuple):
    """A cluster's pods, what its namespaces are labelled with, and the rules that follow from them."""

    pods: list[Pod]
    namespaces: dict[str, dict[str, str]]

    def table(self, policies: Iterable[NetworkPolicy]) -> str:
        """What `nft` is to read: the whole table, in the place of the one before."""
        policies = list(policies)
        chains = {
            direction: {
                pod.address: list(self._allowed(pod, direction, chosen))
                for pod in self.pods
                if (chosen := [policy for policy in policies if _selects(policy, pod, direction)])
            }
            for direction in ("Egress", "Ingress")
        }
        known = ", ".join(["0.0.0.0", *(pod.address for pod in self.pods)])
        # As plugins that make a pod's link themselves: a pod that is not known yet reaches nobody.
        sent = f"ip saddr {PODS} ip saddr != {{ {known} }} drop\n{_jumps('Egress', chains['Egress'])}"
        passed = "ct state established,related accept"
        return "\n".join(
            [
                f"table ip {TABLE}\ndelete table ip {TABLE}\ntable ip {TABLE} {{",
                *(_chain(direction, *each) for direction, of_pods in chains.items() for each in of_pods.items()),
                f"chain forward {{ type filter hook forward priority -10; {passed}\n{sent}{_jumps('Ingress', chains['Ingress'])}}}",
                f"chain input {{ type filter hook input priority -10; {passed}\n{sent}}}",
                "}",
            ]
        )

    def _allowed(self, pod: Pod, direction: str, policies: list[NetworkPolicy]) -> Iterator[str]:
        side = "daddr" if direction == "Egress" else "saddr"
        for policy in policies:
            assert policy.spec is not None
            assert policy.metadata is not None
            namespace = str(policy.metadata.namespace)
            if direction == "Egress":
                rules = [(rule.to, rule.ports) for rule in policy.spec.egress or []]
            else:
                rules = [(rule.from_, rule.ports) for rule in policy.spec.ingress or []]
            for peers, ports in rules:
                # A port's name is that of the pod that is called.
                called = [pod] if direction == "Ingress" else self.pods
                for addresses in self._addresses(peers, namespace, side):
                    yield from (f"{addresses} {port} return" for port in _ports(ports, called))

    def _addresses(self, peers: list[NetworkPolicyPeer] | None, namespace: str, side: str) -> Iterator[str]:
        if not peers:
            yield ""
        for peer in peers or []:
            if peer.ipBlock is None:
                chosen = [pod.address for pod in self.pods if self._is_peer(pod, peer, namespace)]
                if chosen:
                    yield f"ip {side} {{ {', '.join(chosen)} }}"
            elif ":" not in peer.ipBlock.cidr:
                never = "".join(f" ip {side} != {each}" for each in peer.ipBlock.except_ or [])
                yield f"ip {side} {peer.ipBlock.cidr}{never}"

    def _is_peer(self, pod: Pod, peer: NetworkPolicyPeer, namespace: str) -> bool:
        if peer.namespaceSelector is None:
            near = pod.namespace == namespace
        else:
            near = _matches(peer.namespaceSelector, self.namespaces.get(pod.namespace, {}))
        return near and _matches(peer.podSelector, pod.labels)


def _selects(policy: NetworkPolicy, pod: Pod, direction: str) -> bool:
    assert policy.spec is not None
    assert policy.metadata is not None
    near = policy.metadata.namespace == pod.namespace
    return near and direction in (policy.spec.policyTypes or []) and _matches(policy.spec.podSelector, pod.labels)


def _matches(selector: LabelSelector | None, labels: dict[str, str]) -> bool:
    """Whether labels are what a selector asks for; without one they are."""
    if selector is None:
        return True
    if any(labels.get(key) != value for key, value in (selector.matchLabels or {}).items()):
        return False
    for each in selector.matchExpressions or []:
        answers = {
            "In": labels.get(each.key) in (each.values or []),
            "NotIn": labels.get(each.key) not in (each.values or []),
            "Exists": each.key in labels,
            "DoesNotExist": each.key not in labels,
        }
        if not answers[each.operator]:
            return False
    return True


def _ports(ports: list[NetworkPolicyPort] | None, called: list[Pod]) -> Iterator[str]:
    if not ports:
        yield ""
    for each in ports or []:
        protocol = each.protocol or "TCP"
        if protocol not in ("TCP", "UDP"):
            continue
        if each.port is None:
            yield f"meta l4proto {protocol.lower()}"
        elif isinstance(each.port, str):
            named = ((pod.address, pod.ports.get((protocol, each.port))) for pod in called)
            yield from (f"ip daddr {to} {protocol.lower()} dport {number}" for to, number in named if number)
        else:
            last = f"-{each.endPort}" if each.endPort else ""
            yield f"{protocol.lower()} dport {each.port}{last}"


def _chain(direction: str, address: str, rules: list[str]) -> str:
    return "\n".join([f"chain {_name(direction, address)} {{", *rules, "counter drop", "}"])


def _name(direction: str, address: str) -> str:
    return f"{direction}-{address.replace('.', '-')}"


def _jumps(direction: str, addresses: Iterable[str]) -> str:
    to = ", ".join(f"{address} : jump {_name(direction, address)}" for address in addresses)
    side = "saddr" if direction == "Egress" else "daddr"
    return f"ip {side} vmap {{ {to} }}\n" if to else ""
