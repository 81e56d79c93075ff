"""The networks in which this machine stands, whatever their addresses: those of a server or an IPv6 network are public ones."""

from __future__ import annotations

import socket
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import psutil

FAMILIES = (socket.AF_INET, socket.AF_INET6)
SHORTEST_PREFIX = 8
"""A shorter one is a way of writing a route to everywhere, as tunnels do; of those the own address counts."""


def near() -> tuple[IPv4Network | IPv6Network, ...]:
    """The machine's own addresses and their neighbours, as of now."""
    found = {
        _network(each.address, each.netmask)
        for addresses in psutil.net_if_addrs().values()
        for each in addresses
        if each.family in FAMILIES
    }
    return tuple(sorted(found, key=str))


def _network(address: str, netmask: str | None) -> IPv4Network | IPv6Network:
    host = ip_address(address.partition("%")[0])
    length = int(ip_address(netmask)).bit_count() if netmask else 0
    return ip_network((host, length if length >= SHORTEST_PREFIX else host.max_prefixlen), strict=False)
