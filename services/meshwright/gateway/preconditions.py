"""What has to be so before Envoy starts, in words for a person: Envoy's own come late and are for its developers."""

from __future__ import annotations

import errno
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from meshwright.gateway.failure import GatewayError

if TYPE_CHECKING:
    from meshwright.serving.address import Address


def make_log_folder(access_log: str) -> None:
    """Make the folder of the access log. Raises GatewayError."""
    if access_log and access_log != "stdout":
        try:
            Path(access_log).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise GatewayError(f"no access log can be written to {access_log}: {error.strerror}") from error


def check_address(address: Address) -> None:
    """Raise GatewayError, in words for a person, when nothing can listen there: Envoy's own words come late."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
            probe.listen()
        except OSError as error:
            raise GatewayError(_bind_complaint(error, address)) from error


def _bind_complaint(error: OSError, address: Address) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {address.port} is in use; stop what uses it or set MESHWRIGHT_PORT to another one"
    if error.errno == errno.EACCES:
        return f"port {address.port} needs more rights than this user has; set MESHWRIGHT_PORT to one from 1024 up"
    return f"cannot listen on {address}: {error.strerror}; set MESHWRIGHT_HOST to an address of this machine"
