"""Where a server listens or is reached: `host:port` or `unix:/path`; where its replicas are, several of them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_settings import NoDecode

if TYPE_CHECKING:
    from collections.abc import Sequence

# The kernel's sockaddr_un holds 108 bytes with the closing zero; macOS has four fewer.
MAX_UNIX_PATH_BYTES = 103


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address (`host` and `port`) or a Unix socket (`path`)."""

    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def parse(cls, text: str | Address) -> Address:
        """The address that the text names. Raises ValueError with words for the person who wrote it."""
        if isinstance(text, Address):
            return text
        if text.startswith("unix:"):
            return cls._unix(text)
        host, colon, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not colon or not host or not port.isdecimal() or int(port) > 65535:
            message = f"{text!r} is not an address: write host:port or unix:/path"
            raise ValueError(message)
        return cls(host=host, port=int(port))

    @classmethod
    def _unix(cls, text: str) -> Address:
        path = text.removeprefix("unix:").removeprefix("//")
        if not path.startswith("/"):
            message = (
                f"{text!r} is not an address: the path of a Unix socket is absolute, as in unix:/run/mesh/agent.sock"
            )
            raise ValueError(message)
        if len(path.encode()) > MAX_UNIX_PATH_BYTES:
            message = f"{text!r} is too long: the path of a Unix socket has at most {MAX_UNIX_PATH_BYTES} bytes"
            raise ValueError(message)
        return cls(path=path)

    @property
    def is_unix(self) -> bool:
        """Whether this is a Unix socket."""
        return bool(self.path)

    @property
    def is_name(self) -> bool:
        """Whether the host is a name, which stands for all the addresses that it resolves to."""
        return bool(self.host) and _ip(self.host) is None

    @property
    def is_local(self) -> bool:
        """Whether only processes of this machine can reach it."""
        if self.is_unix or self.host == "localhost":
            return True
        ip = _ip(self.host)
        return ip is not None and ip.is_loopback

    @property
    def target(self) -> str:
        """The address as gRPC takes it, for a server and for a channel."""
        return str(self)

    @property
    def socket_path(self) -> Path:
        """The file of the Unix socket."""
        return Path(self.path)

    def __str__(self) -> str:
        if self.is_unix:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


AddressSetting = Annotated[
    Address,
    NoDecode,
    BeforeValidator(Address.parse),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "description": "host:port or unix:/path"}),
]
"""The type of a setting that holds an address."""


def _parse_tcp(value: str | Address | None) -> Address | None:
    address = None if value is None else Address.parse(value)
    if address is not None and address.is_unix:
        message = f"{address} is no place for HTTP: write host:port"
        raise ValueError(message)
    return address


OptionalTcpSetting = Annotated[
    Address | None,
    NoDecode,
    BeforeValidator(_parse_tcp),
    PlainSerializer(lambda address: "" if address is None else str(address), return_type=str),
    WithJsonSchema({"type": "string", "description": "host:port"}),
]
"""The type of a setting that holds a TCP address or none."""


def parse_addresses(value: object) -> tuple[Address, ...]:
    """The addresses of a service's replicas from text with commas between them, or from one address or several.

    Raises ValueError with words for the person who wrote it.
    """
    if isinstance(value, Address):
        return (value,)
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple) or not value:
        message = "no address is given: write host:port or unix:/path, several with commas"
        raise ValueError(message)
    addresses = tuple(Address.parse(part) for part in value)
    twice = next((address for number, address in enumerate(addresses) if address in addresses[:number]), None)
    if twice is not None:
        message = f"{twice} is given twice"
        raise ValueError(message)
    if any(address.is_name for address in addresses) and any(address.is_unix for address in addresses):
        message = "host names and Unix sockets cannot stand for one service together: write the IP addresses"
        raise ValueError(message)
    return addresses


AddressesSetting = Annotated[
    tuple[Address, ...],
    NoDecode,
    BeforeValidator(parse_addresses),
    PlainSerializer(lambda addresses: ",".join(map(str, addresses)), return_type=str),
    WithJsonSchema({"type": "string", "description": "host:port or unix:/path, several with commas"}),
]
"""The type of a setting that holds the addresses of a service's replicas. A host name stands for all its addresses."""


def are_replicas(addresses: Sequence[Address]) -> bool:
    """Whether there may be several servers behind the addresses."""
    return len(addresses) > 1 or addresses[0].is_name


def replicas_target(addresses: tuple[Address, ...]) -> str:
    """The addresses of a service's replicas as a gRPC channel takes them. Raises ValueError where it cannot."""
    if len(addresses) == 1:
        address = addresses[0]
        return f"dns:///{address}" if address.is_name else str(address)
    if any(address.is_name for address in addresses):
        message = "a host name stands alone here: give one name that has the addresses of all replicas, or IP addresses"
        raise ValueError(message)
    kinds = {"unix" if a.is_unix else "ipv6" if ":" in a.host else "ipv4" for a in addresses}
    if len(kinds) > 1:
        message = "several addresses must be of one kind here: IPv4, IPv6 or Unix sockets"
        raise ValueError(message)
    return f"{kinds.pop()}:{','.join(str(a).removeprefix('unix:') for a in addresses)}"


def _check_target(addresses: tuple[Address, ...]) -> tuple[Address, ...]:
    replicas_target(addresses)
    return addresses


NeighbourSetting = Annotated[AddressesSetting, AfterValidator(_check_target)]
"""The type of a setting that holds where a service of the mesh is, to which another one opens a channel."""
