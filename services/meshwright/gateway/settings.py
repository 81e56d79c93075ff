"""Settings of the gateway, from `MESHWRIGHT_*` environment variables."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator
from pydantic_settings import NoDecode

from meshwright.envoy.settings import EnvoySettings
from meshwright.serving.address import Address, AddressesSetting, parse_addresses
from meshwright.serving.authentication.settings import CallerAuthentication

LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")
ORIGIN = re.compile(r"https?://[^/\s*]+")
REPLICAS = " Several with commas; a host name stands for all its addresses."
HOST_NAME = re.compile(r"\*|(\*\.)?[a-z0-9._-]+|\[[0-9a-f:.]+\]", re.IGNORECASE)


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


CanarySetting = Annotated[
    tuple[Address, ...],
    NoDecode,
    BeforeValidator(lambda value: parse_addresses(value) if value else ()),
    WithJsonSchema({"type": "string"}),
]


class GatewaySettings(CallerAuthentication, EnvoySettings):
    """Where the gateway listens, what stands behind it and what it lets through."""

    trusted_network: bool = Field(
        default=False,
        description="Allow the gateway to listen on other addresses than loopback although it does not authenticate its callers, "
        "because only those who may drive the mesh can reach it there, as in a cluster with a network policy, or in a container "
        "whose port is published on loopback only.",
    )
    tls_certificate: Path | None = Field(
        default=None,
        description="File with the certificate chain (PEM) with which the gateway speaks TLS, and only TLS, on its port. Read again when "
        "it changes.",
    )
    tls_key: Path | None = Field(
        default=None, description="File with the private key (PEM, without a password) of MESHWRIGHT_TLS_CERTIFICATE."
    )
    tls_ends_before: bool = Field(
        default=False,
        description="With authentication, allow the gateway to listen on other addresses than loopback without TLS, because a proxy "
        "before it, reached by clients over TLS only, ends TLS.",
    )
    host: str = Field(
        default="127.0.0.1",
        description="IP address to listen on, or localhost. Other addresses than loopback need MESHWRIGHT_AUTH_JWKS and "
        "MESHWRIGHT_TLS_CERTIFICATE, or MESHWRIGHT_TRUSTED_NETWORK.",
    )
    port: int = Field(
        default=8080, ge=0, le=65535, description="Port of gRPC, gRPC-Web and the page; 0 picks a free one."
    )
    agent_address: AddressesSetting = Field(
        default=(Address("127.0.0.1", 8081),), description="AgentService: host:port or unix:/path." + REPLICAS
    )
    agent_canary_address: CanarySetting = Field(
        default=(),
        description="The canary track of AgentService, such as its next version, on the same store: host:port or unix:/path. Several with "
        "commas; a host name stands for all its addresses. `meshwright traffic` says how much goes there.",
    )
    traffic_configmap: str = Field(
        default="",
        pattern=r"^([a-z0-9-]+/[a-z0-9.-]+)?$",
        description="In a pod, the ConfigMap with the canary's weight, as namespace/name: the gateway follows it through Kubernetes' API, "
        "and says in the one of the same name with -state what is in force. Empty: a file of the data folder, which `meshwright traffic` "
        "writes.",
    )
    tools_address: AddressesSetting = Field(
        default=(Address("127.0.0.1", 8082),), description="ToolService: host:port or unix:/path." + REPLICAS
    )
    browser_address: AddressesSetting = Field(
        default=(Address("127.0.0.1", 8083),), description="BrowserService: host:port or unix:/path." + REPLICAS
    )
    site_address: AddressesSetting = Field(
        default=(Address("127.0.0.1", 8084),),
        description="The page and the demo shop: host:port or unix:/path." + REPLICAS,
    )
    allowed_hosts: Names = Field(
        default=LOCAL_HOSTS,
        description="Host names, without port, under which the gateway may be asked, separated by commas; "
        "*.example.com for every name below example.com, * for any. Guards against DNS rebinding.",
    )
    cors_origins: Names = Field(
        default=(),
        description="Origins of other pages that may call the mesh, such as https://app.example.com, separated by "
        "commas. The mesh's own page needs none.",
    )
    gateway_workers: int = Field(default=2, ge=1, le=128, description="Envoy's worker threads.")
    gateway_access_log: str = Field(
        default="", description="Access log in JSON lines: empty for none, `stdout`, or the path of a file."
    )
    gateway_max_streams: int = Field(
        default=10_000,
        ge=1,
        le=1_000_000,
        description="Streams that may be open at once: of one client's connection, and to each service.",
    )
    gateway_max_connections: int = Field(
        default=10_000, ge=1, le=1_000_000, description="Client connections that may be open at once."
    )
    gateway_heap_bytes: int = Field(
        default=512 * 1024**2,
        ge=64 * 1024**2,
        description="Envoy's memory, in bytes, from 95 % of which it gives memory back and from 98 % of which it "
        "refuses new requests.",
    )
    gateway_calls_per_second: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="New calls and streams a second that one client may start, with bursts of five seconds' worth; a client is a "
        "principal with authentication, an IP address without. 0: any number.",
    )
    gateway_drain_seconds: float = Field(
        default=5.0,
        ge=0,
        le=3600,
        description="How long, in seconds, open requests may take to end when the gateway stops.",
    )

    @property
    def bind_address(self) -> str:
        """The IP address to listen on."""
        return "127.0.0.1" if self.host == "localhost" else self.host

    @field_validator("tls_key")
    @classmethod
    def _key_with_certificate(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        certificate = info.data.get("tls_certificate")
        if certificate and key is None:
            raise ValueError("is needed with MESHWRIGHT_TLS_CERTIFICATE")
        if key and certificate is None:
            raise ValueError("has no effect without MESHWRIGHT_TLS_CERTIFICATE: set both, or neither")
        return key

    @field_validator("host")
    @classmethod
    def _host_is_safe(cls, host: str, info: ValidationInfo) -> str:
        host = host.removeprefix("[").removesuffix("]")
        if host == "localhost" or ipaddress.ip_address(host).is_loopback or info.data.get("trusted_network"):
            return host
        if not info.data.get("auth_jwks"):
            raise ValueError(
                f"{host} would let every machine that reaches this one drive its agents, and the gateway has no "
                "authentication configured: set MESHWRIGHT_AUTH_JWKS. Or keep 127.0.0.1 and reach it from elsewhere through a "
                "tunnel: ssh -L 8080:127.0.0.1:8080 this-machine. Where the network itself keeps others out, say so with "
                "MESHWRIGHT_TRUSTED_NETWORK=true."
            )
        if not info.data.get("tls_certificate") and not info.data.get("tls_ends_before"):
            raise ValueError(
                f"callers would send their tokens to {host} in clear text: set MESHWRIGHT_TLS_CERTIFICATE and "
                "MESHWRIGHT_TLS_KEY. Where a proxy before the gateway ends TLS, say so with MESHWRIGHT_TLS_ENDS_BEFORE=true."
            )
        return host

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts_are_names(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if not HOST_NAME.fullmatch(host):
                raise ValueError(
                    f"{host!r} is not a host name: write it without scheme and port, or *.example.com, or *"
                )
        return hosts

    @field_validator("cors_origins")
    @classmethod
    def _origins_are_exact(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin!r} is not an origin: write http(s)://host or http(s)://host:port, without a path"
                )
        return origins
