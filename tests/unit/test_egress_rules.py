"""What the egress settings say, and which addresses count as public."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meshwright.egress.allowed import Allowed, parse_allowed
from meshwright.egress.refusals import cause_in, cause_of
from meshwright.egress.settings import EgressSettings
from meshwright.egress.special_ranges import SPECIAL_V4, SPECIAL_V6, WEB_V6
from meshwright.serving.startup import StartupError

NETWORK_V4, NETWORK_V6 = ipaddress.IPv4Network("10.1.0.0/16"), ipaddress.IPv6Network("fd00::/8")


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("localhost:3000", Allowed(name="localhost", port=3000)),
        ("Wiki.Corp.Example.com", Allowed(name="wiki.corp.example.com")),
        ("*.corp.example.com:443", Allowed(name="*.corp.example.com", port=443)),
        ("mesh-web.agents.svc:8084", Allowed(name="mesh-web.agents.svc", port=8084)),
        ("10.1.0.0/16", Allowed(network=NETWORK_V4)),
        ("10.1.0.0/16:8080", Allowed(network=NETWORK_V4, port=8080)),
        ("127.0.0.1:80", Allowed(network=ipaddress.IPv4Network("127.0.0.1/32"), port=80)),
        ("fd00::/8", Allowed(network=NETWORK_V6)),
        ("[fd00::/8]:443", Allowed(network=NETWORK_V6, port=443)),
        ("localhost:8080/demo", Allowed(name="localhost", port=8080, path="/demo")),
        ("10.1.0.0/16:80/a/b.c", Allowed(network=NETWORK_V4, port=80, path="/a/b.c")),
        ("[::1]:3000", Allowed(network=ipaddress.IPv6Network("::1/128"), port=3000)),
    ],
)
def test_an_exception_is_a_name_an_address_or_a_range(text: str, allowed: Allowed) -> None:
    assert Allowed.parse(text) == allowed
    assert Allowed.parse(str(allowed)) == allowed


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "*",
            "*:80",
            "a b",
            "http://localhost:3000",
            "localhost:3000/pa th",
            "localhost:3000/?query",
            "localhost:",
            "localhost:0",
            "localhost:65536",
        ),
        *(
            "127.1",
            "0x7f.0x1",
            "2130706433",
            "300.1.1.1",
            "10.1.2.3/16",
            "10.0.0.0/33",
            "[localhost]:80",
            "[::1",
            "a..b",
            "-a-.",
            "a,b",
        ),
    ],
)
def test_anything_else_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"localhost:3000"):
        Allowed.parse(text)


def test_exceptions_stand_with_commas_between_them() -> None:
    assert [str(each) for each in parse_allowed(" localhost:3000, ,10.1.0.0/16,")] == ["localhost:3000", "10.1.0.0/16"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"egress_allow": "localhost:3000,127.1"}, "MESHWRIGHT_EGRESS_ALLOW: '127.1' is no exception"),
        ({"egress_allow": "10.1.2.3/16"}, "bits set behind the prefix"),
        (
            {"egress_dns": "dns.example.com"},
            "MESHWRIGHT_EGRESS_DNS: dns.example.com:53 is not the address of a name server",
        ),
        ({"egress_proxy": "proxy.example.com:3128"}, "MESHWRIGHT_EGRESS_PROXY: .*write http://host:port"),
        ({"egress_proxy": "http://me:secret@proxy:3128"}, "MESHWRIGHT_EGRESS_PROXY"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, str], said: str) -> None:
    with pytest.raises(StartupError, match=said):
        EgressSettings.load(**settings)


def test_name_servers_have_a_port() -> None:
    servers = EgressSettings.load(egress_dns="192.0.2.53, 192.0.2.54:5353,[2001:db8::53]:53,[2001:db8::54]").egress_dns
    assert list(map(str, servers)) == ["192.0.2.53:53", "192.0.2.54:5353", "[2001:db8::53]:53", "[2001:db8::54]:53"]


@given(st.ip_addresses(v=4))
@example(ipaddress.IPv4Address("0.0.0.0"))  # looked at, not listened on
@example(ipaddress.IPv4Address("168.63.129.16"))
def test_no_ipv4_address_counts_as_public_that_is_none(address: ipaddress.IPv4Address) -> None:
    if not address.is_global or address.is_multicast:
        assert any(address in network for network in SPECIAL_V4)


@given(st.one_of(st.ip_addresses(v=6), st.integers(0, (1 << 125) - 1).map(lambda low: WEB_V6.network_address + low)))
@example(ipaddress.IPv6Address("2001::7f00:1"))
def test_no_ipv6_address_counts_as_public_that_is_none(address: ipaddress.IPv6Address) -> None:
    inside = address.ipv4_mapped or address.sixtofour or address.teredo
    if not address.is_global or address.is_multicast or inside:
        assert address not in WEB_V6 or any(address in network for network in SPECIAL_V6)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "193.0.0.1", "2606:4700::1111", "2a00:1450:4001::1"])
def test_the_web_is_public(address: str) -> None:
    it = ipaddress.ip_address(address)
    if isinstance(it, ipaddress.IPv4Address):
        assert not any(it in network for network in SPECIAL_V4)
    else:
        assert it in WEB_V6
        assert not any(it in network for network in SPECIAL_V6)


@pytest.mark.parametrize(
    ("url", "headers", "cause"),
    [
        ("http://a.test/", {"x-meshwright-egress": "denied"}, "denied"),
        ("http://a.test/", {"x-meshwright-egress": "no_healthy_upstream"}, "ERR_NAME_NOT_RESOLVED"),
        ("http://a.test/", {}, ""),
        ("https://a.test/", {"x-meshwright-egress": "denied"}, ""),
    ],
)
def test_only_the_proxy_can_say_that_it_refused(url: str, headers: dict[str, str], cause: str) -> None:
    assert cause_in(url, headers) == cause


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("upstream_reset_before_response_started{connection_timeout}", "ERR_CONNECTION_TIMED_OUT"),
        ("upstream_reset_before_response_started{connection_termination}", "ERR_EMPTY_RESPONSE"),
        ("upstream_reset_before_response_started{protocol_error}", "ERR_INVALID_HTTP_RESPONSE"),
        ("upstream_reset_before_response_started{remote_reset}", "ERR_CONNECTION_RESET"),
        ("x|delayed_connect_error:_Network_is_unreachable", "ERR_ADDRESS_UNREACHABLE"),
        ("something_else", "ERR_CONNECTION_FAILED"),
    ],
)
def test_what_envoy_says_is_told_in_chromiums_words(said: str, cause: str) -> None:
    assert cause_of(said) == cause
