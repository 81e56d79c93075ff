"""Which networks count as near."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import psutil
import pytest

from meshwright.egress.near import near


@pytest.mark.parametrize(
    ("family", "address", "netmask", "network"),
    [
        (socket.AF_INET, "198.20.7.9", "255.255.255.0", "198.20.7.0/24"),
        (socket.AF_INET, "198.20.7.9", None, "198.20.7.9/32"),
        (socket.AF_INET, "198.20.7.9", "128.0.0.0", "198.20.7.9/32"),
        (socket.AF_INET6, "2a00:7::9", "ffff:ffff:ffff:ffff::", "2a00:7::/64"),
        (socket.AF_INET6, "fe80::9%eth0", "ffff:ffff:ffff:ffff::", "fe80::/64"),
    ],
)
def test_the_networks_of_this_machines_addresses_are_near(
    monkeypatch: pytest.MonkeyPatch, family: int, address: str, netmask: str | None, network: str
) -> None:
    own = SimpleNamespace(family=family, address=address, netmask=netmask)
    card = SimpleNamespace(family=psutil.AF_LINK, address="00:00:00:00:00:00", netmask=None)
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: {"eth0": [card, own]})
    assert [str(each) for each in near()] == [network]
