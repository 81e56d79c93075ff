"""A DNS server on loopback that knows what a test tells it."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import struct
from collections.abc import AsyncIterator
from typing import Any

KINDS = {1: 4, 28: 6}
"""Versions of IP of the kinds of records, A and AAAA."""
RESPONSE = 0x8400
"""An answer by who knows best, without an error."""
NO_SUCH_NAME = 0x8403
NAME_AT_12 = 0xC00C
"""A pointer to the question's name."""


class DnsServer(asyncio.DatagramProtocol):
    """Answers every question for addresses with those of `names`, or else with `addresses`, as they are then."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.names: dict[str, list[str]] = {}
        """Addresses by name. With any, all other names are unknown."""
        self.port = 0

    def connection_made(self, transport: Any) -> None:
        """Note where it listens."""
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, address: Any) -> None:
        """Answer one question."""
        end = data.index(b"\0", 12) + 5
        (kind,) = struct.unpack("!H", data[end - 4 : end - 2])
        found = self.names.get(_name(data)) if self.names else self.addresses
        known = [ipaddress.ip_address(each) for each in found or ()]
        packed = [each.packed for each in known if each.version == KINDS.get(kind)]
        code = NO_SUCH_NAME if found is None else RESPONSE
        header = struct.pack("!2sHHHHH", data[:2], code, 1, len(packed), 0, 0)
        records = (struct.pack("!HHHIH", NAME_AT_12, kind, 1, 0, len(one)) + one for one in packed)
        self._transport.sendto(header + data[12:end] + b"".join(records), address)


def _name(question: bytes) -> str:
    """The name that is asked for."""
    labels, at = [], 12
    while length := question[at]:
        labels.append(question[at + 1 : at + 1 + length].decode("ascii").lower())
        at += 1 + length
    return ".".join(labels)


@contextlib.asynccontextmanager
async def dns_server(*addresses: str) -> AsyncIterator[DnsServer]:
    """The server, listening."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(lambda: DnsServer(*addresses), local_addr=("127.0.0.1", 0))
    try:
        yield server
    finally:
        transport.close()
