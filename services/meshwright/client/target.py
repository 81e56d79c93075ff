"""Where a mesh is, and how a channel to it is opened."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass

import grpc

DEFAULT_ADDRESS = "localhost:8080"
DEFAULT_PORT = 8080
ADDRESS_VARIABLE = "MESHWRIGHT_ADDRESS"
MAX_MESSAGE_BYTES = 16 * 1024 * 1024

_OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)


@dataclass(frozen=True, slots=True)
class Target:
    """An address, understood."""

    name: str
    """As people know it: `localhost:8080`, `unix:/run/mesh.sock`, `https://mesh.example.com`."""
    endpoint: str
    """As gRPC takes it."""
    secure: bool
    """Over TLS."""
    local: bool
    """On this machine."""

    @classmethod
    def parse(cls, address: str | None) -> Target:
        """`host:port`, `http://...`, `https://...` (TLS) or `unix:/path`.

        None means MESHWRIGHT_ADDRESS, or else localhost:8080. A missing port is 8080, or 443 with TLS.

        Raises:
            ValueError: it is none of these.
        """
        text = (address or os.environ.get(ADDRESS_VARIABLE) or DEFAULT_ADDRESS).strip()
        if text.startswith("unix:"):
            path = text.removeprefix("unix:").removeprefix("//")
            if not path.startswith("/"):
                raise ValueError(f"{text!r} is not an address of a mesh: write unix:/path/to/socket")
            return cls(f"unix:{path}", f"unix:{path}", secure=False, local=True)
        scheme, separator, rest = text.rpartition("://")
        if separator and scheme not in ("http", "https"):
            raise ValueError(f"{text!r} is not an address of a mesh: {scheme} is neither http nor https")
        host, port = _host_and_port(rest.rstrip("/"), 443 if scheme == "https" else DEFAULT_PORT, text)
        endpoint = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        secure = scheme == "https"
        return cls(f"https://{endpoint}" if secure else endpoint, endpoint, secure, _is_loopback(host))

    def open_channel(self) -> grpc.aio.Channel:
        """A channel to the address. Open it inside the running loop; it connects when it is first used."""
        options = list(_OPTIONS)
        if self.local:
            # A proxy for the web, set in the environment, does not lead to this machine.
            options.append(("grpc.enable_http_proxy", 0))
        if self.endpoint.startswith("unix:"):
            options.append(("grpc.default_authority", "localhost"))
        if self.secure:
            return grpc.aio.secure_channel(self.endpoint, grpc.ssl_channel_credentials(), options=options)
        return grpc.aio.insecure_channel(self.endpoint, options=options)


def _host_and_port(rest: str, default_port: int, text: str) -> tuple[str, int]:
    if rest.startswith("["):
        host, _, tail = rest[1:].partition("]")
        port = tail.removeprefix(":")
    elif rest.count(":") > 1:
        host, port = rest, ""
    else:
        host, _, port = rest.partition(":")
    if not host or set(host) & set("/@?#") or not ((port.isdecimal() and 0 < int(port) < 65536) or port == ""):
        raise ValueError(f"{text!r} is not an address of a mesh: write host:port, as in {DEFAULT_ADDRESS}")
    return host, int(port) if port else default_port


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
