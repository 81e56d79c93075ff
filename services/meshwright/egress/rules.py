"""What may be reached, as rules that Envoy evaluates on the address that it is about to connect to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from meshwright.egress.allowed import LOCALHOST, Allowed
from meshwright.egress.special_ranges import LOOPBACK, SPECIAL_V4, SPECIAL_V6, WEB_V4, WEB_V6

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Network, IPv6Network

UPSTREAM = "type.googleapis.com/envoy.extensions.rbac.matchers.upstream_ip_port.v3.UpstreamIpPortMatcher"
HTTP_PORT = 80
OWN_NAMES_OF_LOOPBACK = r"(localhost|127\.0\.0\.1|\[::1\])"

Rule = dict[str, Any]


def egress_rules(allowed: Iterable[Allowed], near: Iterable[IPv4Network | IPv6Network] = ()) -> Rule:
    """An RBAC of Envoy: what no rule allows is denied, as is an address that is not known. Networks that are near are not public."""
    return {
        "action": "ALLOW",
        "policies": {
            "public": _policy(_public(near)),
            **{f"exception_{number}": _policy(_exception(each)) for number, each in enumerate(allowed, 1)},
        },
    }


def _policy(permission: Rule) -> Rule:
    return {"permissions": [permission], "principals": [{"any": True}]}


def _public(near: Iterable[IPv4Network | IPv6Network]) -> Rule:
    # "Not special" alone would let through what the matcher cannot tell the address of.
    return _all(
        _any(_in(WEB_V4), _in(WEB_V6)),
        {"not_rule": _any(*map(_in, SPECIAL_V4), *map(_in, SPECIAL_V6), *map(_in, near))},
    )


def _exception(allowed: Allowed) -> Rule:
    if not allowed.path:
        return _place(allowed)
    # The request for a tunnel has no path, so none is opened.
    return _all(_place(allowed), {"url_path": {"path": {"prefix": allowed.path}}})


def _place(allowed: Allowed) -> Rule:
    if allowed.network is not None:
        return _in(allowed.network, allowed.port)
    if allowed.name == LOCALHOST:
        # A foreign name that was made to resolve to loopback is not let through by this.
        return _all(_asked_for(OWN_NAMES_OF_LOOPBACK, allowed.port), _any(*(_in(network) for network in LOOPBACK)))
    return _asked_for(_pattern(allowed.name), allowed.port)


def _pattern(name: str) -> str:
    if name.startswith("*."):
        return rf"([a-z0-9_-]+\.)+{re.escape(name[2:])}"
    return re.escape(name)


def _asked_for(host: str, port: int | None) -> Rule:
    """The request names the host, by a pattern in RE2's syntax, and the port; an http URL leaves 80 away."""
    behind = r"(:[0-9]+)?" if port is None else f"(:{port})?" if port == HTTP_PORT else f":{port}"
    return {"header": {"name": ":authority", "string_match": {"safe_regex": {"regex": f"(?i){host}{behind}"}}}}


def _in(network: IPv4Network | IPv6Network, port: int | None = None) -> Rule:
    """The address lies in the network, and its port is that one."""
    matcher: Rule = {
        "@type": UPSTREAM,
        "upstream_ip": {"address_prefix": str(network.network_address), "prefix_len": network.prefixlen},
    }
    if port is not None:
        # Envoy's matcher takes the end in, other than the type says.
        matcher["upstream_port_range"] = {"start": port, "end": port}
    return {"matcher": {"name": "envoy.rbac.matchers.upstream_ip_port", "typed_config": matcher}}


def _all(*rules: Rule) -> Rule:
    return {"and_rules": {"rules": list(rules)}}


def _any(*rules: Rule) -> Rule:
    return {"or_rules": {"rules": list(rules)}}
