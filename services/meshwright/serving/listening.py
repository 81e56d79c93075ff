"""Binding a server to its address, safely."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from meshwright.serving.address import Address
from meshwright.serving.startup import StartupError

if TYPE_CHECKING:
    import grpc

    from meshwright.serving.settings import ServerSettings


def refuse_exposure(settings: ServerSettings) -> None:
    """Raise StartupError when others than this machine could call a service that does not know its callers."""
    if settings.listen.is_local or settings.authenticates or settings.trusted_network:
        return
    message = (
        f"Refusing to listen on {settings.listen}: the service would take calls from other machines without authentication.\n"
        "Have callers show tokens: set MESHWRIGHT_AUTH_JWKS, MESHWRIGHT_AUTH_ISSUER, MESHWRIGHT_AUTH_AUDIENCE and\n"
        "MESHWRIGHT_MESH_KEY_FILE. Or listen on loopback (MESHWRIGHT_LISTEN=127.0.0.1:PORT) or on a Unix socket (unix:/path).\n"
        "Where only the mesh's own gateway can reach that address, as in a cluster with a network policy, and all callers may\n"
        "be one, say so with MESHWRIGHT_TRUSTED_NETWORK=true."
    )
    raise StartupError(message)


def bind(server: grpc.aio.Server, address: Address) -> Address:
    """Open the server's listener. Returns where it listens, with the real port for port 0. Raises StartupError."""
    if address.is_unix:
        return _bind_unix(server, address)
    try:
        port = server.add_insecure_port(address.target)
    except RuntimeError as error:
        raise _taken(address) from error
    return Address(host=address.host, port=port)


def _bind_unix(server: grpc.aio.Server, address: Address) -> Address:
    path = address.socket_path
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        message = f"Cannot listen on {address}: the folder {path.parent} cannot be made ({error.strerror})."
        raise StartupError(message) from error
    # gRPC removes the file of any socket that is there, also of a server that still runs.
    if _answers(address):
        raise _taken(address)
    # Without the mask anyone could connect between the bind and a chmod.
    mask = os.umask(0o177)
    try:
        server.add_insecure_port(address.target)
    except RuntimeError as error:
        raise _taken(address) from error
    finally:
        os.umask(mask)
    return address


def _answers(address: Address) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(address.path)
        except OSError:
            return False
        return True


def _taken(address: Address) -> StartupError:
    return StartupError(
        f"Cannot listen on {address}: another process does already, or this user may not. Choose another address with "
        "MESHWRIGHT_LISTEN, or stop the other process."
    )
