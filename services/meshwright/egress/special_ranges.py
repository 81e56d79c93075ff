"""Addresses that are not the public internet: this machine, its neighbours, a cloud's metadata, and other ways of writing them."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

WEB_V4 = IPv4Network("0.0.0.0/0")
WEB_V6 = IPv6Network("2000::/3")
"""What IANA gives out as global unicast. Mapped and translated IPv4, loopback, link-local, unique local and multicast lie outside."""

SPECIAL_V4 = tuple(
    IPv4Network(network)
    for network in (
        # "This network": Linux takes 0.0.0.0 for this machine.
        "0.0.0.0/8",
        "10.0.0.0/8",
        # Shared by carriers and clouds; Alibaba's metadata.
        "100.64.0.0/10",
        "127.0.0.0/8",
        # Azure's own services, metadata among them, at a public address.
        "168.63.129.16/32",
        # Link-local; metadata of most clouds.
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        # Relays of 6to4.
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
SPECIAL_V6 = tuple(
    IPv6Network(network)
    for network in (
        # Protocol assignments, Teredo among them, which carries IPv4 addresses.
        "2001::/23",
        "2001:db8::/32",
        # 6to4: IPv4 addresses inside.
        "2002::/16",
        "3fff::/20",
    )
)
"""What is special inside of WEB_V6."""

LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
