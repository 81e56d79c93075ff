"""A DNS server on loopback that knows one name."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import struct
from collections.abc import AsyncIterator
from typing import Any

A = 1
RESPONSE = 0x8400
"""An answer by who knows best, without an error."""
NAME_AT_12 = 0xC00C
"""A pointer to the question's name."""


class DnsServer(asyncio.DatagramProtocol):
    """Answers every question for an IPv4 address with `addresses`, as they are then."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.port = 0

    def connection_made(self, transport: Any) -> None:
        """Note where it listens."""
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, address: Any) -> None:
        """Answer one question."""
        end = data.index(b"\0", 12) + 5
        (kind,) = struct.unpack("!H", data[end - 4 : end - 2])
        answers = self.addresses if kind == A else []
        header = struct.pack("!2sHHHHH", data[:2], RESPONSE, 1, len(answers), 0, 0)
        records = (
            struct.pack("!HHHIH4s", NAME_AT_12, A, 1, 0, 4, ipaddress.IPv4Address(one).packed) for one in answers
        )
        self._transport.sendto(header + data[12:end] + b"".join(records), address)


@contextlib.asynccontextmanager
async def dns_server(*addresses: str) -> AsyncIterator[DnsServer]:
    """The server, listening."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(lambda: DnsServer(*addresses), local_addr=("127.0.0.1", 0))
    try:
        yield server
    finally:
        transport.close()
