"""Settings of the egress proxy, from `MESHWRIGHT_*` environment variables."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, field_validator
from pydantic_settings import NoDecode

from meshwright.egress.allowed import AllowedSetting
from meshwright.envoy.settings import EnvoySettings
from meshwright.serving.address import Address

_PROXY = re.compile(r"https?://[^/\s@,;]+:\d+")


def _servers(value: object) -> object:
    """Name servers from text with commas between them; 53 is the port of those that have none."""
    if not isinstance(value, str):
        return value
    texts = [part.strip() for part in value.split(",") if part.strip()]
    return tuple(Address.parse(text if re.search(r"[^:]:\d+$|\]:\d+$", text) else f"{text}:53") for text in texts)


ServersSetting = Annotated[
    tuple[Address, ...],
    NoDecode,
    BeforeValidator(_servers),
    PlainSerializer(lambda servers: ",".join(map(str, servers)), return_type=str),
    WithJsonSchema({"type": "string"}),
]


class EgressSettings(EnvoySettings):
    """What browsers may reach."""

    egress_allow: AllowedSetting = Field(
        default=(),
        description="What browsers may reach beside the public internet, separated by commas: names, IP addresses and ranges, each with "
        ":port or for all ports, as in localhost:3000,wiki.corp.example.com,*.test.example.com:443,10.1.0.0/16. A name is allowed to "
        "whatever address it resolves, an address to whatever name leads there; `localhost` is loopback under the names localhost, "
        "127.0.0.1 and [::1] only. With a path, as in localhost:8080/demo, http URLs that begin so. Give loopback a port: without one "
        "it is all that listens there, the proxy itself included. `meshwright up` adds the demo shop.",
    )
    egress_dns: ServersSetting = Field(
        default=(),
        description="Name servers that browsers' names are looked up with, as IP addresses with or without :port, separated by commas. "
        "Empty: those of this machine.",
    )
    egress_proxy: str = Field(
        default="",
        description="A proxy of your own through which browsers reach the network in the place of the mesh's egress proxy, as in "
        "http://proxy.example.com:3128, for machines that have no other way out. Then it alone decides what they reach, and the mesh's "
        "egress rules are not in force.",
    )

    @field_validator("egress_dns")
    @classmethod
    def _servers_are_addresses(cls, servers: tuple[Address, ...]) -> tuple[Address, ...]:
        for server in servers:
            if server.is_unix or server.is_name:
                raise ValueError(
                    f"{server} is not the address of a name server: write its IP address, as in 192.0.2.53"
                )
        return servers

    @field_validator("egress_proxy")
    @classmethod
    def _proxy_is_one(cls, proxy: str) -> str:
        if proxy and not _PROXY.fullmatch(proxy):
            raise ValueError(f"{proxy!r} is not the address of a proxy: write http://host:port")
        return proxy
