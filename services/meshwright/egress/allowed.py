"""Exceptions to the egress rules, as MESHWRIGHT_EGRESS_ALLOW has them."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_settings import NoDecode

LOCALHOST = "localhost"
HOW = (
    "write a name, an IP address or a range, each with :port or without, and for http with the beginning of a path, as in localhost:3000, "
    "localhost:8080/demo, *.corp.example.com, [::1]:80 or 10.1.0.0/16"
)
MAX_PORT = 65535
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
# A last label of digits would be an IPv4 address in one of its many spellings.
_NAME = re.compile(rf"(\*\.)?({_LABEL}\.)*(?!(\d+|0x[0-9a-f]*)$){_LABEL}", re.IGNORECASE)
_PATH = re.compile(r"/[A-Za-z_][A-Za-z0-9_./~-]*$")
_BRACKETED = re.compile(r"\[(?P<host>[^\[\]]+)\](:(?P<port>\d+))?")


@dataclass(frozen=True, slots=True)
class Allowed:
    """Something that browsers may reach although it is not public.

    A name is allowed to whatever address it resolves. A network is allowed to whatever name leads into it.
    """

    name: str = ""
    """In lower case; `*.corp.example.com` is every name below corp.example.com; `localhost` is loopback by its own names only."""
    network: IPv4Network | IPv6Network | None = None
    port: int | None = None
    """None: every port."""
    path: str = ""
    """What the path of an http URL begins with; empty: every path, and https, whose paths nobody on the way can see."""

    @classmethod
    def parse(cls, text: str) -> Allowed:
        """The exception that the text names. Raises ValueError with words for the person who wrote it."""
        found = _PATH.search(text)
        path = found[0] if found else ""
        whole, port = cls._parse_whole(text.removesuffix(path), text)
        return replace(whole, port=port, path=path)

    @classmethod
    def _parse_whole(cls, place: str, text: str) -> tuple[Allowed, int | None]:
        if found := _BRACKETED.fullmatch(place):
            host, port = found["host"], found["port"]
        elif place.count(":") > 1:
            host, port = place, None
        else:
            host, colon, port = place.partition(":")
            port = port if colon else None
        if port is not None and not (port.isdecimal() and 0 < int(port) <= MAX_PORT):
            raise ValueError(f"{text!r} has no port from 1 to {MAX_PORT} behind its colon: {HOW}")
        number = None if port is None else int(port)
        if _NAME.fullmatch(host) and not place.startswith("["):
            return cls(name=host.lower()), number
        try:
            return cls(network=ipaddress.ip_network(host)), number
        except ValueError as error:
            why = " (its range has bits set behind the prefix)" if "host bits" in str(error) else ""
            raise ValueError(f"{text!r} is no exception{why}: {HOW}") from None

    def __str__(self) -> str:
        if self.network is None:
            host = self.name
        elif self.network.num_addresses == 1:
            host = str(self.network.network_address)
        else:
            host = str(self.network)
        if self.port is not None:
            host = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        return host + self.path


def parse_allowed(value: object) -> tuple[Allowed, ...]:
    """The exceptions of a text with commas between them, or of a list. Raises ValueError."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple):
        raise ValueError(HOW)
    return tuple(each if isinstance(each, Allowed) else Allowed.parse(str(each)) for each in value)


AllowedSetting = Annotated[
    tuple[Allowed, ...],
    NoDecode,
    BeforeValidator(parse_allowed),
    PlainSerializer(lambda allowed: ",".join(map(str, allowed)), return_type=str),
    WithJsonSchema({"type": "string"}),
]
"""The type of a setting that holds exceptions."""
