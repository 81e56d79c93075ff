"""Ports of loopback for servers that have to know theirs before they listen, or come back to it."""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def reserved_port(*hosts: str) -> Iterator[int]:
    """A port that nobody else gets, of 127.0.0.1 or of all these: refused until a server of the test listens on it, and again after.

    A port that was only found to be free may be another process's by the time one listens on it.
    """
    with contextlib.ExitStack() as others:
        while True:
            stack = others.enter_context(contextlib.ExitStack())
            port = 0
            try:
                for host in hosts or ("127.0.0.1",):
                    port = _hold(stack, host, port)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                # Somebody has it on one of them. It stays held on those before, so that the next one differs.
                continue
            yield port
            return


@contextlib.contextmanager
def reserved_ports(count: int) -> Iterator[list[int]]:
    """Several of 127.0.0.1."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(reserved_port()) for _ in range(count)]


def _hold(stack: contextlib.ExitStack, host: str, port: int) -> int:
    holder = stack.enter_context(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET))
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind((host, port))
    return int(holder.getsockname()[1])
