"""The socket on which the site listens."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

from meshwright.serving.startup import StartupError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meshwright.serving.address import Address

_BACKLOG = 512


@contextlib.contextmanager
def listening(address: Address) -> Iterator[tuple[socket.socket, Address]]:
    """A listening socket, and the address with the port that was really bound.

    A Unix socket is open to its owner alone, takes the place of one that a dead process left, and is
    removed at the end. Raises StartupError when the address cannot be had.
    """
    with contextlib.ExitStack() as stack:
        try:
            listener = _unix(address, stack) if address.is_unix else _tcp(address)
        except OSError as error:
            raise StartupError(f"The site cannot listen on {address}: {error.strerror}.") from error
        stack.enter_context(listener)
        bound = address if address.is_unix else replace(address, port=listener.getsockname()[1])
        yield listener, bound


def _tcp(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    return socket.create_server((address.host, address.port), family=family, backlog=_BACKLOG)


def _unix(address: Address, stack: contextlib.ExitStack) -> socket.socket:
    path = address.socket_path
    if path.is_socket():
        _refuse_a_living_one(address)
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        stack.callback(path.unlink, missing_ok=True)
        path.chmod(0o600)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _refuse_a_living_one(address: Address) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, contextlib.suppress(ConnectionRefusedError):
        probe.connect(address.path)
        raise StartupError(f"The site cannot listen on {address}: another process is listening there.")
